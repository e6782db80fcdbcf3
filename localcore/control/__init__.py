"""The control channel: how the command line talks to the daemon, JSON lines over a unix socket.

One request a line, `{"verb": "...", ...}`. The answer is any number of lines with `"event"` and a
last one with `"ok"`: true and the result, or false and `"error"`.
"""
