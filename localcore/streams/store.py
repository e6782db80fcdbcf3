"""All message streams of a stream manager, one folder each.

    ROOT/<name>/definition.json     what its creator asked for; written atomically
    ROOT/<name>/messages.sqlite3    its messages, when its persistence is File

A message stream with Memory persistence comes back after a restart empty and numbered from 0 again:
its definition is kept, as its creator does not know of the restart, and its messages never were.

A name that cannot be a folder's name is percent-encoded. A damaged message stream is moved aside,
one that cannot be opened (permissions, a full disk) is left alone; both are reported, others go on.
"""

import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from localcore.atomic_file import write_atomically
from localcore.streams import shapes
from localcore.streams.errors import RequestError, invalid
from localcore.streams.message_stream import MessageStream
from localcore.streams.protocol import StatusCode
from localcore.streams.shapes import MessageStreamDefinition, S3ExportTaskExecutorConfig

log = logging.getLogger(__name__)

_DEFINITION = "definition.json"
_MESSAGES = "messages.sqlite3"
_DELETED_PREFIX = "%deleted-"
_DAMAGED_PREFIX = "%damaged-"
# The longest name of a file on Linux is 255 bytes; `%` and two digits may stand for each byte.
_LONGEST_FOLDER_NAME = 255


class Store:
    """The message streams under a folder, by name."""

    def __init__(self, root: Path):
        self._root = root
        root.mkdir(parents=True, exist_ok=True)
        self._message_streams: dict[str, MessageStream] = {}
        for leftover in root.glob(f"{_DELETED_PREFIX}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        for path in sorted(root.glob(f"*/{_DEFINITION}")):
            if not path.parent.name.startswith(_DAMAGED_PREFIX):
                self._reopen(path)

    def _reopen(self, path: Path) -> None:
        try:
            definition = msgspec.json.decode(path.read_bytes(), type=MessageStreamDefinition)
            message_stream = MessageStream(definition, path.parent / _MESSAGES)
        except (OSError, sqlite3.OperationalError) as error:
            log.error("message stream not opened folder=%s error=%s", path.parent, error)
            return
        except (msgspec.MsgspecError, sqlite3.DatabaseError) as error:
            aside = path.parent.with_name(f"{_DAMAGED_PREFIX}{os.urandom(4).hex()}")
            path.parent.rename(aside)
            log.error(
                "message stream damaged folder=%s moved_to=%s error=%s", path.parent, aside, error
            )
            return
        self._message_streams[definition.name] = message_stream

    def __iter__(self) -> Iterator[MessageStream]:
        return iter(tuple(self._message_streams.values()))

    def names(self) -> list[str]:
        """The names of all message streams, sorted."""
        return sorted(self._message_streams)

    def find(self, name: str) -> MessageStream | None:
        """The message stream of this name, if there is one."""
        return self._message_streams.get(name)

    def get(self, name: str) -> MessageStream:
        """The message stream of this name.

        Raises:
            RequestError: there is none.
        """
        try:
            return self._message_streams[name]
        except KeyError:
            known = ", ".join(self.names()) or "none"
            raise RequestError(
                StatusCode.RESOURCE_NOT_FOUND,
                f"message stream {name!r} does not exist; existing: {known}",
            ) from None

    def create(self, definition: MessageStreamDefinition) -> MessageStream:
        """A new message stream.

        Raises:
            RequestError: the name is taken or the definition cannot be served.
        """
        if definition.name in self._message_streams:
            raise invalid(
                f"message stream {definition.name!r} already exists: update it, or delete it first"
            )
        self._check(definition)
        folder = self._folder(definition.name)
        if (folder / _DEFINITION).exists():
            raise RequestError(
                StatusCode.UNKNOWN_FAILURE,
                f"message stream {definition.name!r} is in {folder} but could not be opened: see"
                " the stream manager's log",
            )
        folder.mkdir(exist_ok=True)
        # A folder without a definition is what a kill in the middle of this leaves behind.
        for leftover in folder.glob(f"{_MESSAGES}*"):
            leftover.unlink()
        message_stream = MessageStream(definition, folder / _MESSAGES)
        self._write_definition(definition)
        self._message_streams[definition.name] = message_stream
        return message_stream

    def update(self, definition: MessageStreamDefinition) -> MessageStream:
        """Give an existing message stream another definition.

        Raises:
            RequestError: it does not exist, or the change is not allowed.
        """
        message_stream = self.get(definition.name)
        self._check(definition)
        message_stream.check_update(definition)
        self._write_definition(definition)
        message_stream.update(definition)
        return message_stream

    def delete(self, name: str) -> None:
        """Remove a message stream and all its messages.

        Raises:
            RequestError: there is none.
        """
        message_stream = self.get(name)
        message_stream.close()
        del self._message_streams[name]
        # Renamed first: a kill in the middle of removing must not leave half a message stream.
        doomed = self._root / f"{_DELETED_PREFIX}{os.urandom(8).hex()}"
        self._folder(name).rename(doomed)
        shutil.rmtree(doomed)

    def close(self) -> None:
        """Close every message stream."""
        for message_stream in self:
            message_stream.close()
        self._message_streams.clear()

    def _folder(self, name: str) -> Path:
        encoded = quote(name, safe=" ,")
        if encoded.startswith("."):
            encoded = f"%2E{encoded[1:]}"
        if len(encoded) > _LONGEST_FOLDER_NAME:
            raise invalid(
                f"the name {name!r} takes {len(encoded)} bytes as a folder's name, over the"
                f" {_LONGEST_FOLDER_NAME} of Linux: use a shorter one or plain letters"
            )
        return self._root / encoded

    def _write_definition(self, definition: MessageStreamDefinition) -> None:
        path = self._folder(definition.name) / _DEFINITION
        pretty = msgspec.json.format(msgspec.json.encode(shapes.as_map(definition)), indent=2)
        write_atomically(path, pretty)

    def _check(self, definition: MessageStreamDefinition) -> None:
        if definition.stream_segment_size > definition.max_size:
            raise invalid(
                f"streamSegmentSize {definition.stream_segment_size} is over maxSize"
                f" {definition.max_size}: a segment must fit in its message stream"
            )
        exports = definition.export_definition
        unsupported = {
            "HTTP": exports.http,
            "IoT Analytics": exports.iot_analytics,
            "IoT SiteWise": exports.iot_sitewise,
        }
        for destination, configs in unsupported.items():
            if configs:
                raise invalid(
                    f"message stream {definition.name!r} wants an export to {destination}, which"
                    " localcore does not have: use kinesis or s3TaskExecutor"
                )
        identifiers = [config.identifier for config in exports.configs()]
        for identifier in identifiers:
            if identifiers.count(identifier) > 1:
                raise invalid(f"two exports have the identifier {identifier!r}: make them unique")
        for config in exports.s3_task_executor or ():
            self._check_status_stream(definition.name, config)

    def _check_status_stream(self, name: str, config: S3ExportTaskExecutorConfig) -> None:
        status_stream = config.status_config and config.status_config.status_stream_name
        if status_stream == name:
            raise invalid(f"message stream {name!r} cannot be its own status stream")
        if status_stream and status_stream not in self._message_streams:
            raise invalid(
                f"the status stream {status_stream!r} of export {config.identifier!r} does not"
                " exist: create it first"
            )
