"""`localcore stream list`, `describe` and `read`, through the stream manager protocol."""

import argparse
import contextlib
from collections.abc import Iterator

import msgspec

from localcore.cli.messages import as_json
from localcore.cli.output import print_json
from localcore.cli.parser import chosen_root
from localcore.errors import LocalcoreError
from localcore.streams.reader import ReaderError, StreamReader

# Messages asked for at a time: few requests, and little memory even when they are large.
_BATCH = 100


def list_all(options: argparse.Namespace) -> int:
    """Print the names of all message streams."""
    with _reader(options) as reader:
        names = sorted(reader.list())
    if options.json:
        print_json(names)
    elif names:
        print("\n".join(names))
    return 0


def describe(options: argparse.Namespace) -> int:
    """Print a message stream's definition, storage and exports."""
    with _reader(options) as reader:
        print_json(msgspec.to_builtins(reader.describe(options.name)))
    return 0


def read(options: argparse.Namespace) -> int:
    """Print the messages that are there; 1 when there is none."""
    following, left = options.first, options.count
    with _reader(options) as reader:
        while left > 0:
            messages = reader.read(options.name, following, min(left, _BATCH))
            for message in messages:
                if options.json:
                    number = message.sequence_number
                    print_json({"sequenceNumber": number, **as_json(message.payload)})
                else:
                    text = message.payload.decode(errors="backslashreplace")
                    print(f"{message.sequence_number}: {text}")
            if not messages:
                break
            following = messages[-1].sequence_number + 1
            left -= len(messages)
    return 0 if following > options.first else 1


@contextlib.contextmanager
def _reader(options: argparse.Namespace) -> Iterator[StreamReader]:
    """The stream manager of the root; its errors as one line."""
    try:
        with StreamReader.of_root(chosen_root(options) / "streams") as reader:
            yield reader
    except ReaderError as error:
        raise LocalcoreError(str(error)) from error
