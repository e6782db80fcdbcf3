"""`localcore component list`, `details`, `restart` and `stop`."""

import argparse
import json
import re

from localcore.cli.output import print_json, print_table
from localcore.cli.parser import chosen_root
from localcore.control.client import Control


def list_all(options: argparse.Namespace) -> int:
    """Show every component."""
    components = Control(chosen_root(options).resolve()).components()
    if options.json:
        print_json(components)
        return 0
    rows = [
        [
            component["name"],
            component["version"],
            component["state"],
            str(component["restarts"]),
            f"{component['pss_bytes'] / 1e6:.1f}" if component["pids"] else "-",
            component["reason"],
        ]
        for component in components
    ]
    print_table(("COMPONENT", "VERSION", "STATE", "RESTARTS", "PSS MB", "REASON"), rows)
    return 0


def details(options: argparse.Namespace) -> int:
    """Show one component."""
    component = Control(chosen_root(options).resolve()).component(options.name)
    if options.json:
        print_json(component)
        return 0
    print(f"Component Name: {component['name']}")
    print(f"    Version: {component['version']}")
    print(f"    State: {component['state']}")
    if component["reason"]:
        print(f"    Reason: {component['reason']}")
    print(f"    Restarts: {component['restarts']}")
    print(f"    Processes: {' '.join(map(str, component['pids'])) or 'none'}")
    print(f"    PSS: {component['pss_bytes'] / 1e6:.1f} MB")
    print(f"    Configuration: {json.dumps(component['configuration'])}")
    return 0


def restart(options: argparse.Namespace) -> int:
    """Ask for the restart of components."""
    control = Control(chosen_root(options).resolve())
    for name in _names(options.names):
        control.restart(name)
    return 0


def stop(options: argparse.Namespace) -> int:
    """Ask for the end of components."""
    control = Control(chosen_root(options).resolve())
    for name in _names(options.names):
        control.stop(name)
    return 0


def _names(text: str) -> list[str]:
    return [name for name in re.split(r" *[&,]+ *", text.strip()) if name]
