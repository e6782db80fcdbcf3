"""com.hbs.hub.WriteSenseHAT: show measurements, alerts and messages on the 8x8 LED matrix.

In    topic `hub/windows/#`     one Window per message: what is measured
In    topic `hub/alerts`        one Alert per message: raised, updated or cleared
In    topic `hub/display`       one Display per message: a text to show
Out   the LED matrix            alerts first, then messages, then measurements
"""
