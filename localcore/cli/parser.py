"""The verbs and flags; what they do is imported when they are used."""

import argparse
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEFAULT_ROOT = Path(".localcore")


def build_parser() -> argparse.ArgumentParser:
    """The command line. `--root` and `--json` may stand before or after the verb."""
    parser = _Parser(
        prog="localcore",
        description="A Greengrass core device for the laptop.",
        parents=[_shared(argparse.SUPPRESS)],
    )
    parser.set_defaults(root=None, json=False)
    verbs = parser.add_subparsers(
        title="verbs", metavar="VERB", required=True, parser_class=_Parser
    )
    _add_start(verbs)
    _add_stop(verbs)
    _add_status(verbs)
    _add_deployment(verbs)
    _add_component(verbs)
    _add_logs(verbs)
    _add_messages(verbs, "pubsub", "local publish/subscribe")
    _add_messages(verbs, "iotcore", "MQTT messages of AWS IoT Core")
    _add_stream(verbs)
    _add_fault(verbs)
    _add_recipe(verbs)
    return parser


def chosen_root(options: argparse.Namespace) -> Path:
    """--root, else LOCALCORE_ROOT, else .localcore in the present folder."""
    return Path(options.root or os.environ.get("LOCALCORE_ROOT") or DEFAULT_ROOT).absolute()


class _Parser(argparse.ArgumentParser):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("allow_abbrev", False)
        super().__init__(*arguments, **options)


def _shared(default: Any) -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--root",
        type=Path,
        metavar="DIR",
        default=default,
        help=f"the core device's folder (else LOCALCORE_ROOT, else {DEFAULT_ROOT})",
    )
    shared.add_argument(
        "--json", action="store_true", default=default, help="answer as JSON, for scripts"
    )
    return shared


def _verb(
    verbs: Any, name: str, perform: str, text: str, **options: Any
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=text, description=text, parents=[_shared(argparse.SUPPRESS)], **options
    )
    parser.set_defaults(perform=_later(perform))
    return parser


def _group(verbs: Any, name: str, text: str) -> Any:
    parser = verbs.add_parser(
        name, help=text, description=text, parents=[_shared(argparse.SUPPRESS)]
    )
    return parser.add_subparsers(metavar="VERB", required=True, parser_class=_Parser)


def _later(perform: str) -> Callable[[argparse.Namespace], int]:
    module, function = perform.split(":")

    def call(options: argparse.Namespace) -> int:
        command: Callable[[argparse.Namespace], int] = getattr(
            importlib.import_module(f"localcore.cli.{module}"), function
        )
        return command(options)

    return call


def _add_start(verbs: Any) -> None:
    start = _verb(verbs, "start", "daemon:start", "start a core device, in the foreground")
    how = start.add_mutually_exclusive_group()
    how.add_argument("--foreground", action="store_true", help="until Ctrl-C (the default)")
    how.add_argument("--detach", action="store_true", help="return when it is ready")
    start.add_argument("--nucleus", choices=("java", "lite"), help="which nucleus to behave like")
    start.add_argument("--thing-name", metavar="NAME", help="the core device's thing name")
    start.add_argument("--region", metavar="REGION", help="the AWS region, as us-east-1")
    start.add_argument(
        "--stream-manager-port",
        type=_port,
        default=0,
        metavar="N",
        help="the stream manager's TCP port; 0, the default, is a free one",
    )
    start.add_argument(
        "--device",
        action="append",
        default=[],
        metavar="COMMAND",
        help="a program that stands in for hardware: started, restarted and stopped with localcore",
    )
    start.add_argument(
        "--record-access",
        type=Path,
        metavar="FILE",
        help="note what components ask for, as `recipe lint --used FILE` reads it",
    )
    start.add_argument("--ready-descriptor", type=int, help=argparse.SUPPRESS)


def _add_stop(verbs: Any) -> None:
    stop = _verb(verbs, "stop", "daemon:stop", "stop the core device, in order")
    stop.add_argument("--cloud", action="store_true", help="and the embedded cloud")
    stop.add_argument("--timeout", type=float, default=60.0, metavar="S", help="wait so long (60)")


def _add_status(verbs: Any) -> None:
    _verb(verbs, "status", "daemon:status", "show the daemon, its sockets and its cloud")


def _add_deployment(verbs: Any) -> None:
    group = _group(verbs, "deployment", "create and follow local deployments")
    create = _verb(group, "create", "deployment:create", "deploy components and wait for the end")
    create.add_argument("-r", "--recipeDir", "--recipe-dir", type=Path, metavar="DIR")
    create.add_argument("-a", "--artifactDir", "--artifact-dir", type=Path, metavar="DIR")
    create.add_argument(
        "-m", "--merge", action="append", default=[], metavar="NAME=VERSION", help="may be repeated"
    )
    create.add_argument("--remove", action="append", default=[], metavar="NAME")
    create.add_argument(
        "-c",
        "--update-config",
        metavar="JSON",
        help='{"component": {"MERGE": {...}, "RESET": ["/key"]}}, or a file that holds it',
    )
    create.add_argument("--no-wait", action="store_true", help="return when it is queued")
    status = _verb(group, "status", "deployment:status", "show one deployment")
    status.add_argument("-i", "--deploymentId", "--deployment-id", required=True, metavar="ID")
    _verb(group, "list", "deployment:list_all", "show all deployments, the latest first")


def _add_component(verbs: Any) -> None:
    group = _group(verbs, "component", "look at components, restart and stop them")
    _verb(group, "list", "component:list_all", "state, restarts and memory of every component")
    details = _verb(group, "details", "component:details", "one component and its configuration")
    details.add_argument("-n", "--name", required=True, metavar="NAME")
    for name, text in (("restart", "restart components"), ("stop", "stop components")):
        parser = _verb(group, name, f"component:{name}", text)
        parser.add_argument(
            "-n", "--names", required=True, metavar="NAMES", help="names, separated by commas"
        )


def _add_logs(verbs: Any) -> None:
    group = _group(verbs, "logs", "read the logs of components and of localcore")
    get = _verb(group, "get", "logs:get", "print log lines")
    get.add_argument("component", nargs="*", help="components; none is all, localcore included")
    get.add_argument("-n", "--lines", type=int, default=100, help="the last so many lines (100)")
    get.add_argument("-fol", "--follow", action="store_true", help="and those to come")
    _verb(group, "list-log-files", "logs:list_files", "print the log files")


def _add_messages(verbs: Any, name: str, text: str) -> None:
    group = _group(verbs, name, text)
    pub = _verb(group, "pub", f"messages:{name}_pub", "publish a message")
    pub.add_argument("-t", "--topic", required=True)
    pub.add_argument("-m", "--message", required=True, help="the text, or @FILE for its contents")
    sub = _verb(group, "sub", f"messages:{name}_sub", "print messages until interrupted")
    sub.add_argument("-t", "--topic", required=True, help="a topic filter; + and # are wildcards")
    sub.add_argument("--count", type=int, default=0, metavar="N", help="end after N messages")
    if name == "iotcore":
        for parser in (pub, sub):
            parser.add_argument("-q", "--qos", type=int, choices=(0, 1), default=1)


def _add_stream(verbs: Any) -> None:
    group = _group(verbs, "stream", "message streams of the stream manager")
    _verb(group, "list", "stream:list_all", "the names of all message streams")
    describe = _verb(
        group, "describe", "stream:describe", "one message stream's definition and state"
    )
    read = _verb(group, "read", "stream:read", "print the messages of a message stream")
    for parser in (describe, read):
        parser.add_argument("name", help="the message stream")
    read.add_argument("--from", dest="first", type=int, default=0, metavar="N", help="first number")
    read.add_argument("--count", type=int, default=10, metavar="N", help="at most so many (10)")


def _add_fault(verbs: Any) -> None:
    group = _group(verbs, "fault", "inject faults")
    disconnect = _verb(group, "disconnect", "fault:disconnect", "cut a component's IPC connections")
    disconnect.add_argument("-n", "--name", required=True, metavar="NAME")


def _add_recipe(verbs: Any) -> None:
    group = _group(verbs, "recipe", "check recipes; needs no core device")
    lint = _verb(group, "lint", "recipe:lint_recipes", "say what is wrong with recipes, and why")
    lint.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="recipes, or folders")
    lint.add_argument("--nucleus", choices=("java", "lite", "both"), default="both")
    lint.add_argument("--artifacts", type=Path, metavar="DIR", help="the folder of --artifactDir")
    lint.add_argument(
        "--used", type=Path, metavar="FILE", help="what `start --record-access` wrote"
    )
    lint.add_argument("--exceptions", type=Path, metavar="FILE", help="what is accepted, and why")
    lint.add_argument("--rules", action="store_true", help="list the rules instead")


def _port(text: str) -> int:
    port = int(text) if text.isdecimal() else -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 (a free one) to 65535")
    return port
