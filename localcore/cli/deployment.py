"""`localcore deployment create`, `status` and `list`."""

import argparse
import json
from pathlib import Path
from typing import Any

from localcore.cli.output import print_json, print_table, progress
from localcore.cli.parser import chosen_root
from localcore.control.client import Control, deployment_arguments
from localcore.errors import DeploymentError


def create(options: argparse.Namespace) -> int:
    """Deploy; 0 when it succeeded or, with --no-wait, when it is queued."""
    control = Control(chosen_root(options).resolve())
    arguments = deployment_arguments(
        options.recipeDir,
        options.artifactDir,
        dict(_component_version(text) for text in options.merge),
        options.remove,
        _update_config(options.update_config),
    )
    deployment: dict[str, Any] = {}
    for event in control.stream("deployment.create", wait=not options.no_wait, **arguments):
        match event:
            case {"event": "created", "deploymentId": deployment_id}:
                progress(f"Local deployment submitted! Deployment Id: {deployment_id}")
            case {"event": "state", "name": name, "state": state}:
                progress(f"  {name}: {state}")
            case {"deployment": ended}:
                deployment = ended
    _show(deployment, as_json=options.json)
    return 1 if deployment.get("status") == "FAILED" else 0


def status(options: argparse.Namespace) -> int:
    """Show one deployment; 1 when it failed."""
    deployment = Control(chosen_root(options).resolve()).deployment(options.deploymentId)
    _show(deployment, as_json=options.json)
    return 1 if deployment["status"] == "FAILED" else 0


def list_all(options: argparse.Namespace) -> int:
    """Show all deployments."""
    deployments = Control(chosen_root(options).resolve()).deployments()
    if options.json:
        print_json(deployments)
        return 0
    heads = ("DEPLOYMENT ID", "CREATED ON", "STATUS", "REASON")
    rows = [[d["deploymentId"], d["createdOn"], d["status"], d["reason"]] for d in deployments]
    print_table(heads, rows)
    return 0


def _show(deployment: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(deployment)
        return
    print(f"{deployment['deploymentId']}: {deployment['status']}")
    print(f"Created on: {deployment['createdOn']}")
    if deployment["reason"]:
        print(f"Deployment Failure Cause: {deployment['reason']}")


def _component_version(text: str) -> tuple[str, str]:
    name, separator, version = text.partition("=")
    if not separator or not name or not version:
        raise DeploymentError(f"--merge {text!r}: write NAME=VERSION, as com.hbs.hub.Hub=1.0.0")
    return name, version


def _update_config(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        file = Path(text).expanduser()
        content = file.read_text(encoding="utf-8") if file.is_file() else text
    except OSError:  # JSON makes a name that is too long for a file
        content = text
    try:
        value: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise DeploymentError(
            f"--update-config is neither a file nor JSON: {error} in {content!r:.80}"
        ) from error
    return value
