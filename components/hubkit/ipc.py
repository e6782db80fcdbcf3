"""Greengrass IPC: one client, ordered delivery, one way back from every kind of loss.

Law: callbacks only enqueue. Payloads of one topic reach the inbox in the order in which the nucleus
sent them (the V1 client delivers on its event loop's single thread). Whatever breaks, a closed
connection, a subscription that died silently, a nucleus that restarted, is mended in one way: the
connection is thrown away and made anew with all its subscriptions, and what was sent meanwhile is
lost, as local publish/subscribe is at most once. Who needs it asks for a replay.

Only a refused token is hopeless: the nucleus gives a new one at the next launch, never to a running
process. A refusal is a socket that closes without an answer, which a nucleus on its way down does
too, so it counts when it happened `REFUSALS` times in a row.
"""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Protocol

import awscrt.exceptions
import awsiot.eventstreamrpc as rpc
import awsiot.greengrasscoreipc
from awsiot.greengrasscoreipc import model
from awsiot.greengrasscoreipc.client import (
    GreengrassCoreIPCClient,
    SubscribeToConfigurationUpdateStreamHandler,
    SubscribeToTopicStreamHandler,
)

from hubkit.backoff import Backoff

CONNECT_TIMEOUT_S = 10.0
REPLY_TIMEOUT_S = 20.0
"""A neighbour that stops reading makes every publish on nucleus lite take 5 to 15 s."""
HEARTBEAT_S = 2.0
HEARTBEATS_MISSED = 2
REFUSALS = 5

_log = logging.getLogger(__name__)


class IpcError(Exception):
    """An operation failed and may work later; the message names operation, subject and reason."""


class NotAuthorizedError(IpcError):
    """The recipe's accessControl does not grant it: trying again does not help."""


class Bus(Protocol):
    """What a component's service sees of Greengrass IPC."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand a payload to the nucleus and wait for its acknowledgement.

        Raises:
            NotAuthorizedError: The recipe does not grant the topic.
            IpcError: Not delivered to the nucleus, or not known to be.
        """


class Events(Protocol):
    """Where `Ipc` puts what happens; called on its threads, so it only enqueues."""

    def delivered(self, topic: str, payload: bytes) -> None:
        """A payload arrived on one of the topic filters."""

    def connected(self) -> None:
        """A connection with all its subscriptions is up, the first or a later one."""

    def disconnected(self) -> None:
        """The connection was lost; another one is being made."""

    def configuration_changed(self) -> None:
        """Some key of this component's configuration changed."""

    def refused(self, reason: str) -> None:
        """The nucleus refuses this process for good."""


class Ipc:
    """The process's one connection to its nucleus, kept up by a thread of its own.

    Args:
        events: Receives what happens.
        topic_filters: Subscribed again after every loss.
        heartbeat_topic: This component's own topic; a payload published there must come back.
        connect: Makes a client from a lifecycle handler; AWS's own by default.
    """

    def __init__(
        self,
        events: Events,
        topic_filters: Sequence[str],
        heartbeat_topic: str,
        connect: Callable[[rpc.LifecycleHandler], GreengrassCoreIPCClient] | None = None,
    ) -> None:
        self._events = events
        self._topic_filters = tuple(topic_filters)
        self._heartbeat_topic = heartbeat_topic
        self._connect = connect or _connect
        self._client: GreengrassCoreIPCClient | None = None
        self._lost = threading.Event()
        self._closing = threading.Event()
        self._heartbeats_sent = 0
        self._heartbeat_seen = 0
        self._refusals = 0
        self.connections = 0
        self._keeper = threading.Thread(target=self._keep, name="ipc-keeper", daemon=True)

    def start(self) -> None:
        """Begin to connect; `Events.connected` says when it is done."""
        self._keeper.start()

    def close(self) -> None:
        """Close the connection and end the keeper thread; may be called again."""
        self._closing.set()
        self._lost.set()
        if self._keeper.is_alive():
            self._keeper.join(REPLY_TIMEOUT_S)
        self._drop_client()

    def publish(self, topic: str, payload: bytes) -> None:
        """See `Bus.publish`."""
        client = self._client
        if client is None:
            raise IpcError(f"publish to {topic}: not connected to the nucleus")
        request = model.PublishToTopicRequest(
            topic=topic,
            publish_message=model.PublishMessage(
                binary_message=model.BinaryMessage(message=payload)
            ),
        )
        self._call(f"publish to {topic}", client.new_publish_to_topic, request)

    def get_configuration(self) -> dict[str, Any]:
        """This component's whole configuration.

        Raises:
            IpcError: Not connected, or the nucleus did not answer.
        """
        client = self._client
        if client is None:
            raise IpcError("get configuration: not connected to the nucleus")
        request = model.GetConfigurationRequest(key_path=[])
        response = self._call("get configuration", client.new_get_configuration, request)
        value = response.value
        return value if isinstance(value, dict) else {}

    def _call(self, what: str, new_operation: Callable[[], Any], request: Any) -> Any:
        """Do one request and response, and close the operation whatever happens.

        Nucleus lite answers without ending the stream, and the client then keeps 5.6 KB a call
        until the operation is closed.
        """
        operation = None
        try:
            operation = new_operation()
            operation.activate(request)
            return operation.get_response().result(REPLY_TIMEOUT_S)
        except model.UnauthorizedError as error:
            raise NotAuthorizedError(f"{what}: {error.message}") from error
        except rpc.EventStreamOperationError as error:
            reason = getattr(error, "message", None) or error
            raise IpcError(f"{what}: {type(error).__name__}: {reason}") from error
        except FutureTimeoutError as error:
            raise IpcError(f"{what}: no answer within {REPLY_TIMEOUT_S:g} s") from error
        except (RuntimeError, awscrt.exceptions.AwsCrtError) as error:
            raise IpcError(f"{what}: {type(error).__name__}: {error}") from error
        finally:
            if operation is not None:
                operation.close()

    # The keeper's thread, from here on.

    def _keep(self) -> None:
        # The socket is on this machine, so asking costs nothing; and a process that outlived its
        # nucleus must find out soon, as its successor waits for its files.
        backoff = Backoff(base_s=0.2, cap_s=2.0, name="nucleus")
        delay_s = 0.0
        while not self._closing.is_set():
            if self._client is None:
                if self._closing.wait(delay_s):
                    break
                try:
                    self._open()
                except NotAuthorizedError as error:
                    self._events.refused(str(error))
                    return
                except IpcError as error:
                    delay_s = backoff.failed(error)
                    continue
                backoff.succeeded()
            if self._lost.wait(HEARTBEAT_S):
                reason = "connection closed"
            elif self._is_silent():
                reason = f"no heartbeat for {HEARTBEATS_MISSED * HEARTBEAT_S:g} s"
            else:
                continue
            self._drop_client()
            if not self._closing.is_set():
                self._events.disconnected()
                delay_s = backoff.failed(reason)

    def _open(self) -> None:
        self._lost.clear()
        try:
            client = self._connect(_Lifecycle(self._lost.set))
        except Exception as error:
            self._note_refusal(error)
            raise IpcError(f"connect: {type(error).__name__}: {error}") from error
        self._refusals = 0
        try:
            for topic_filter in (self._heartbeat_topic, *self._topic_filters):
                self._subscribe(client, topic_filter)
            self._subscribe_to_configuration(client)
        except IpcError:
            client.close()
            raise
        self._heartbeats_sent = self._heartbeat_seen = 0
        self._client = client
        self.connections += 1
        self._events.connected()

    def _note_refusal(self, error: Exception) -> None:
        if not _is_refusal(error):
            self._refusals = 0
            return
        self._refusals += 1
        if self._refusals >= REFUSALS:
            raise NotAuthorizedError(
                f"the nucleus closed {REFUSALS} connections without an answer: the token in SVCUID "
                "is not, or no longer, valid; a new launch of this component gets a new one"
            ) from error

    def _subscribe(self, client: GreengrassCoreIPCClient, topic_filter: str) -> None:
        operation = client.new_subscribe_to_topic(
            _TopicHandler(self._on_payload, lambda: self._subscription_ended(client))
        )
        request = model.SubscribeToTopicRequest(topic=topic_filter)
        self._await_subscription(f"subscribe to {topic_filter}", operation, request)

    def _subscribe_to_configuration(self, client: GreengrassCoreIPCClient) -> None:
        operation = client.new_subscribe_to_configuration_update(
            _ConfigurationHandler(self._events.configuration_changed)
        )
        request = model.SubscribeToConfigurationUpdateRequest(key_path=[])
        self._await_subscription("subscribe to configuration", operation, request)

    def _await_subscription(self, what: str, operation: Any, request: Any) -> None:
        try:
            operation.activate(request)
            operation.get_response().result(REPLY_TIMEOUT_S)
        except model.UnauthorizedError as error:
            raise NotAuthorizedError(f"{what}: {error.message}") from error
        except (RuntimeError, FutureTimeoutError, awscrt.exceptions.AwsCrtError) as error:
            raise IpcError(f"{what}: {type(error).__name__}: {error}") from error

    def _subscription_ended(self, client: GreengrassCoreIPCClient) -> None:
        if client is self._client:
            self._lost.set()

    def _on_payload(self, topic: str, payload: bytes) -> None:
        if topic == self._heartbeat_topic:
            # A payload of somebody else's raises nothing here, and hides no silence.
            if payload.isdigit() and int(payload[:20]) <= self._heartbeats_sent:
                self._heartbeat_seen = max(self._heartbeat_seen, int(payload))
        else:
            self._events.delivered(topic, payload)

    def _is_silent(self) -> bool:
        if self._heartbeats_sent - self._heartbeat_seen >= HEARTBEATS_MISSED:
            return True
        self._heartbeats_sent += 1
        try:
            self.publish(self._heartbeat_topic, b"%d" % self._heartbeats_sent)
        except NotAuthorizedError as error:
            self._events.refused(str(error))
        except IpcError as error:
            _log.debug("heartbeat failed reason=%s", error)
        return False

    def _drop_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


class _Lifecycle(rpc.LifecycleHandler):  # type: ignore[misc]
    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost

    def on_disconnect(self, reason: Exception | None) -> None:  # noqa: ARG002
        self._lost()

    def on_error(self, error: Exception) -> bool:
        _log.warning("nucleus sent a connection error: %s", error)
        return True


class _TopicHandler(SubscribeToTopicStreamHandler):  # type: ignore[misc]
    def __init__(self, deliver: Callable[[str, bytes], None], ended: Callable[[], None]) -> None:
        super().__init__()
        self._deliver = deliver
        self._ended = ended

    def on_stream_event(self, event: Any) -> None:
        binary, plain = event.binary_message, event.json_message
        if binary is not None:
            topic, payload = binary.context.topic, bytes(binary.message or b"")
        else:  # a message published by a tool: the hub's own are binary
            topic, payload = plain.context.topic, json.dumps(plain.message).encode()
        self._deliver(topic, payload)

    def on_stream_error(self, error: Exception) -> bool:
        # True would close the subscription for good: one event that cannot be read is one event.
        _log.warning("event refused reason=%s", error)
        return False

    def on_stream_closed(self) -> None:
        self._ended()


class _ConfigurationHandler(SubscribeToConfigurationUpdateStreamHandler):  # type: ignore[misc]
    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed

    def on_stream_event(self, event: Any) -> None:  # noqa: ARG002
        self._changed()

    def on_stream_error(self, error: Exception) -> bool:
        _log.warning("configuration event refused reason=%s", error)
        return False


def _connect(lifecycle_handler: rpc.LifecycleHandler) -> GreengrassCoreIPCClient:
    return awsiot.greengrasscoreipc.connect(
        lifecycle_handler=lifecycle_handler, timeout=CONNECT_TIMEOUT_S
    )


def _is_refusal(error: Exception) -> bool:
    """Whether the nucleus took the connection and closed it at our token."""
    if isinstance(error, rpc.AccessDeniedError):
        return True
    return isinstance(error, awscrt.exceptions.AwsCrtError) and error.name in {
        "AWS_ERROR_EVENT_STREAM_RPC_CONNECTION_CLOSED",
        "AWS_IO_SOCKET_CLOSED",
    }
