"""What every HBS Hub component shares, and the only code that imports the AWS SDKs.

payloads    what travels on the topics: one struct a topic, size-limited, validated
config      a component's configuration, converted and checked
clock       wall and monotonic time behind one argument
ipc         Greengrass IPC: one client, ordered delivery, resubscription
streams     the stream manager: one client, rebuilt after a time-out
journal     the durable log: a tail on tmpfs, SQLite on flash
export_log  how the log's rows leave: in ranges, confirmed
health      counters and the state a component reports
service     the life of a component, from start to SIGTERM
"""

__version__ = "1.0.0"
