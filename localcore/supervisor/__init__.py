"""Runs components as child processes and keeps them in the state a deployment wants.

`plan` is what to run, `process` one process group, `component` the life cycle of one component as a
state machine, `supervisor` all of them with their dependencies, `component_log` what they print,
`process_table` what the kernel knows about them.
"""
