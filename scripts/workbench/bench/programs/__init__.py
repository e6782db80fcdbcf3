"""What `launch` starts: one program a module, each with its `Order` and what it prints.

connection   a connection to the nucleus as components have it
publish      messages through hubkit.ipc, one after the other
pipelined    messages through AWS's client, many outstanding
receive      when messages arrive that say when they were sent
raw          messages through bare sockets, without AWS's client
growth       what a client keeps of messages it has sent
readings     the batches that the measured Aggregators are fed
core         the Aggregator's core alone
flash        what the Aggregator writes in a day, on a clock that is turned by hand
feed         batches in, windows out, through a nucleus and a deployed Aggregator
book         a reading a message, and a stream manager client for each
"""
