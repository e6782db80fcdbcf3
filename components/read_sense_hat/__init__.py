"""com.hbs.hub.ReadSenseHAT: read each device at its rate and publish every reading, accountably.

Sources  sensehat | emulator | simulated | replay, a device's by configuration, never by itself
Out      topic `hub/readings/<device>`      ReadingBatch, in the ring before it is published
Out      topic `hub/health/ReadSenseHAT`    ProducerStatus: what was produced, what the ring holds
In       topic `hub/replay/#`               ReplayRequest: the very same bytes again, from the ring
In       topic `hub/health/ledger`          Ledger: how far everything is accepted
"""

COMPONENT = "com.hbs.hub.ReadSenseHAT"
