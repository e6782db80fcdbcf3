"""What each operation does: a request's map in, a response's map out. No sockets.

A read that may wait gives a `Waiting` instead of a response: it is asked again after each append to
its message stream, and once more, for good, when its time is over.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from localcore.streams import shapes
from localcore.streams.errors import RequestError
from localcore.streams.message_stream import MessageStream
from localcore.streams.protocol import Operation, StatusCode
from localcore.streams.store import Store

log = logging.getLogger(__name__)

Response = dict[str, Any]
Result = TypeVar("Result")


class Exports(Protocol):
    """What must know when exports come, change or go."""

    def refresh(self, message_stream: MessageStream) -> None:
        """Export what the definition of `message_stream` says, from now on."""

    def remove(self, message_stream: MessageStream) -> None:
        """Stop its exports: it is about to be deleted."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A read that has too few messages so far."""

    message_stream: MessageStream
    timeout_s: float
    attempt: Callable[[], Response | None]
    give_up: Callable[[], Response]


class Operations:
    """The operations on the message streams of a store."""

    def __init__(self, store: Store, exports: Exports):
        self._store = store
        self._exports = exports
        self._by_number: Final[Mapping[int, Callable[[dict[str, Any]], Response | Waiting]]] = {
            Operation.APPEND_MESSAGE: self._append_message,
            Operation.READ_MESSAGES: self._read_messages,
            Operation.CREATE_MESSAGE_STREAM: self._create_message_stream,
            Operation.UPDATE_MESSAGE_STREAM: self._update_message_stream,
            Operation.DELETE_MESSAGE_STREAM: self._delete_message_stream,
            Operation.DESCRIBE_MESSAGE_STREAM: self._describe_message_stream,
            Operation.LIST_STREAMS: self._list_streams,
        }

    def knows(self, operation: int) -> bool:
        """Whether `perform` can be called with it."""
        return operation in self._by_number

    def perform(self, operation: int, raw: dict[str, Any]) -> Response | Waiting:
        """Do it; whatever goes wrong is in the response, never raised."""
        return guarded(lambda: self._by_number[operation](raw), shapes.request_id_of(raw))

    def _append_message(self, raw: dict[str, Any]) -> Response:
        request = shapes.convert(raw, shapes.AppendMessageRequest)
        message_stream = self._store.get(request.name)
        number = message_stream.append(request.payload, now_ms())
        return {
            "requestId": request.request_id,
            "status": int(StatusCode.SUCCESS),
            "sequenceNumber": number,
        }

    def _read_messages(self, raw: dict[str, Any]) -> Response | Waiting:
        request = shapes.convert(raw, shapes.ReadMessagesRequest)
        options = request.read_messages_options or shapes.ReadMessagesOptions()
        start = options.desired_start_sequence_number or 0
        minimum = options.min_message_count or 1
        maximum = minimum if options.max_message_count is None else options.max_message_count
        if maximum < minimum:
            raise RequestError(
                StatusCode.INVALID_REQUEST,
                f"maxMessageCount {maximum} is below minMessageCount {minimum}",
            )
        message_stream = self._store.get(request.stream_name)

        def attempt() -> Response | None:
            messages = message_stream.read(start, minimum, maximum)
            if messages is None:
                return None
            name = message_stream.name
            return shapes.response(request.request_id, StatusCode.SUCCESS) | {
                "messages": [
                    {
                        "streamName": name,
                        "sequenceNumber": message.sequence_number,
                        "ingestTime": message.ingest_ms,
                        "payload": message.payload,
                    }
                    for message in messages
                ]
            }

        def give_up() -> Response:
            return shapes.response(
                request.request_id,
                StatusCode.NOT_ENOUGH_MESSAGES,
                f"message stream {message_stream.name!r} has no {minimum} messages from sequence"
                f" number {start} on: its newest is {message_stream.newest}",
            )

        read = attempt()
        if read is not None:
            return read
        if not options.read_timeout_millis:
            return give_up()
        return Waiting(
            message_stream,
            options.read_timeout_millis / 1000,
            lambda: guarded(attempt, request.request_id),
            give_up,
        )

    def _create_message_stream(self, raw: dict[str, Any]) -> Response:
        request = shapes.convert(raw, shapes.DefinitionRequest)
        message_stream = self._store.create(request.definition)
        self._exports.refresh(message_stream)
        log.info("message stream created name=%s", message_stream.name)
        return shapes.response(request.request_id, StatusCode.SUCCESS)

    def _update_message_stream(self, raw: dict[str, Any]) -> Response:
        request = shapes.convert(raw, shapes.DefinitionRequest)
        message_stream = self._store.update(request.definition)
        self._exports.refresh(message_stream)
        log.info("message stream updated name=%s", message_stream.name)
        return shapes.response(request.request_id, StatusCode.SUCCESS)

    def _delete_message_stream(self, raw: dict[str, Any]) -> Response:
        request = shapes.convert(raw, shapes.NameRequest)
        self._exports.remove(self._store.get(request.name))
        self._store.delete(request.name)
        log.info("message stream deleted name=%s", request.name)
        return shapes.response(request.request_id, StatusCode.SUCCESS)

    def _describe_message_stream(self, raw: dict[str, Any]) -> Response:
        request = shapes.convert(raw, shapes.NameRequest)
        info = self._store.get(request.name).describe()
        return shapes.response(request.request_id, StatusCode.SUCCESS) | {
            "messageStreamInfo": shapes.as_map(info)
        }

    def _list_streams(self, raw: dict[str, Any]) -> Response:
        request = shapes.convert(raw, shapes.ListStreamsRequest)
        return shapes.response(request.request_id, StatusCode.SUCCESS) | {
            "streams": self._store.names()
        }


def guarded(action: Callable[[], Result], request_id: str | None) -> Result | Response:
    """The result of an action, or the response that says why there is none."""
    try:
        return action()
    except RequestError as error:
        return shapes.response(request_id, error.status, str(error))
    except shapes.ShapeError as error:
        return shapes.response(request_id, StatusCode.INVALID_REQUEST, str(error))
    except (OSError, sqlite3.Error) as error:
        log.error("request failed error=%s", error)
        return shapes.response(request_id, StatusCode.UNKNOWN_FAILURE, f"storage: {error}")


def now_ms() -> int:
    """The wall clock in milliseconds, as messages and status messages carry it."""
    return time.time_ns() // 1_000_000
