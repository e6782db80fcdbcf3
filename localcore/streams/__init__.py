"""The stream manager: what `aws.greengrass.StreamManager` is on a core device.

In    TCP on 127.0.0.1, the stream manager protocol 1.1.0 (any AWS stream manager SDK)
Out   Kinesis data streams and S3 objects, at the AWS endpoint it is given
Kept  one folder per message stream under `--root`, SQLite files

`protocol` is bytes and frames, `shapes` the CBOR payloads, `message_log` the messages of one
message stream on disk, `store` the message streams and their rules, `operations` one function an
operation, `exporters` the way to the cloud, `server` the sockets, `reader` a small client.
"""
