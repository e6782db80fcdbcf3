"""com.hbs.hub.Aggregator: account for every reading, summarise, export.

In    topic `hub/readings/#`                one ReadingBatch per message
In    topic `hub/health/ReadSenseHAT`       what the producers have published
Out   topic `hub/replay/<device>`           asks again for what was missed
Out   topic `hub/windows/<device>`          one Window per message
Out   topic `hub/health/ledger`             where every reading is
Out   message stream `hub_readings`         tasks: one gzip NDJSON object a flush, to S3
Out   message stream `hub_windows`          blocks of windows as NDJSON, to Kinesis
"""
