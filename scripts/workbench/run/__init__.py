"""`scripts/run`: the hub at work on this machine, from a sensor to an embedded cloud.

arguments     the command line
deployment    what is deployed, and with which configuration
root_folder   where it all lies, one run's at a time
session       the processes: started, watched, started again, stopped in order
observation   what the hub and the cloud say, gathered into one picture
view          that picture in the terminal
trouble       what the components complain of in their logs
report        that picture as JSON
"""
