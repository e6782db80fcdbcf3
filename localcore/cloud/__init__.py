"""The cloud end: an AWS endpoint on loopback, in a process that outlives localcore.

`endpoint` starts, finds and stops it, `__main__` is that process (moto's S3 and Kinesis), `clients`
makes AWS clients, `contents` counts what has arrived. With the real AWS only the last two are used.
"""
