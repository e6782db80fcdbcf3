"""`localcore pubsub pub|sub` and `localcore iotcore pub|sub`."""

import argparse
import base64
import itertools
from collections.abc import Iterator
from pathlib import Path

from localcore.cli.output import print_json
from localcore.cli.parser import chosen_root
from localcore.control.client import Control
from localcore.errors import NotFoundError


def pubsub_pub(options: argparse.Namespace) -> int:
    """Publish locally; say how many subscriptions got it."""
    reached = _control(options).publish(options.topic, _payload(options.message))
    if options.json:
        print_json({"reached": reached})
    else:
        print(f"Published to {options.topic}: {reached} subscriptions")
    return 0


def pubsub_sub(options: argparse.Namespace) -> int:
    """Print local messages."""
    return _print_all(_control(options).subscribe(options.topic), options)


def iotcore_pub(options: argparse.Namespace) -> int:
    """Publish to AWS IoT Core's topic tree."""
    _control(options).publish_to_iot_core(options.topic, _payload(options.message), options.qos)
    return 0


def iotcore_sub(options: argparse.Namespace) -> int:
    """Print messages to AWS IoT Core."""
    return _print_all(_control(options).subscribe_to_iot_core(options.topic), options)


def _control(options: argparse.Namespace) -> Control:
    return Control(chosen_root(options).resolve())


def _payload(message: str) -> bytes:
    if not message.startswith("@"):
        return message.encode()
    try:
        return Path(message[1:]).read_bytes()
    except OSError as error:
        raise NotFoundError(f"--message {message}: {error.strerror}") from error


def _print_all(messages: Iterator[tuple[str, bytes]], options: argparse.Namespace) -> int:
    limited = itertools.islice(messages, options.count) if options.count else messages
    for topic, payload in limited:
        if options.json:
            print_json({"topic": topic, **as_json(payload)})
        else:
            print(f"{topic}: {payload.decode(errors='backslashreplace')}", flush=True)
    return 0


def as_json(payload: bytes) -> dict[str, str]:
    """A payload for --json: its text, or base64 of what is no text."""
    try:
        return {"text": payload.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(payload).decode()}
