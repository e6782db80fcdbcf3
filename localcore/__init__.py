"""localcore: an AWS IoT Greengrass core device for the laptop and for tests.

It deploys the same recipes and artifacts as a device, runs the components as child processes,
and serves Greengrass IPC and the stream manager protocol to the unmodified AWS clients.
"""
