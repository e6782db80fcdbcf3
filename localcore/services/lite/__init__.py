"""The operations of nucleus lite, one a file as its own `ggipcd` has them.

Each checks its arguments, authorises, acts and answers in that order and in lite's words
(aws-greengrass-lite 2.6). What is dangerous on the real one is dangerous here and logged; the
limits are those of its fixed memory, see `objects`.
"""
