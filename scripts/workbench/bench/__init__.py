"""`scripts/bench`: the hub and localcore against their budgets.

arguments   the command line
figures     every figure: its name, unit and goal, and what was measured
effort      how often and how long everything is measured
device      a core device of its own for a measurement
setting     where a suite measures
launch      the programs that load what is measured, each in a process of its own
programs/   those programs
suites/     one module a suite: which programs on which device give which figures
report      the table and the JSON
"""
