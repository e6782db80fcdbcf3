"""`localcore fault`: faults on request."""

import argparse

from localcore.cli.output import print_json
from localcore.cli.parser import chosen_root
from localcore.control.client import Control


def disconnect(options: argparse.Namespace) -> int:
    """Cut a component's IPC connections."""
    connections = Control(chosen_root(options).resolve()).disconnect(options.name)
    if options.json:
        print_json({"connections": connections})
    else:
        print(f"Cut {connections} connections of {options.name}")
    return 0
