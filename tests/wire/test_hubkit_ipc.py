"""hubkit's IPC client against a real socket: delivery, order, loss, refusal, memory."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import awsiot.greengrasscoreipc
import pytest

from hubkit import ipc as hubkit_ipc
from hubkit.ipc import Ipc, IpcError, NotAuthorizedError

PATIENCE_S = 20.0
HEARTBEAT = "lab/heartbeat"


class Inbox:
    """Collects what an Ipc says."""

    def __init__(self) -> None:
        self.payloads: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.ups: queue.Queue[None] = queue.Queue()
        self.downs: queue.Queue[None] = queue.Queue()
        self.refusals: queue.Queue[str] = queue.Queue()
        self.changes: queue.Queue[None] = queue.Queue()

    def delivered(self, topic: str, payload: bytes) -> None:
        self.payloads.put((topic, payload))

    def connected(self) -> None:
        self.ups.put(None)

    def disconnected(self) -> None:
        self.downs.put(None)

    def configuration_changed(self) -> None:
        self.changes.put(None)

    def refused(self, reason: str) -> None:
        self.refusals.put(reason)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats of a tenth of a second: the tests are about what follows."""
    monkeypatch.setattr(hubkit_ipc, "HEARTBEAT_S", 0.1)


Open = Callable[..., tuple[Ipc, Inbox]]


@pytest.fixture
def open_ipc(core: Any) -> Iterator[Open]:
    opened: list[Ipc] = []

    def connect(component: str) -> Callable[[Any], Any]:
        return lambda handler: awsiot.greengrasscoreipc.connect(
            ipc_socket=str(core.socket_path),
            authtoken=core.supervisor.launch(component),
            lifecycle_handler=handler,
        )

    def start(
        *topic_filters: str, component: str = "lab.Tester", wait: bool = True
    ) -> tuple[Ipc, Inbox]:
        inbox = Inbox()
        made = Ipc(inbox, topic_filters, HEARTBEAT, connect(component))
        opened.append(made)
        made.start()
        if wait:
            inbox.ups.get(timeout=PATIENCE_S)
        return made, inbox

    yield start
    for each in opened:
        each.close()


def test_payloads_arrive_in_the_order_in_which_they_were_published(
    open_ipc: Open, core: Any
) -> None:
    core.grant("lab.Listener", "aws.greengrass.ipc.pubsub", "lab/*")
    _, inbox = open_ipc("lab/readings/#", component="lab.Listener")
    ipc, _ = open_ipc()
    for n in range(500):
        ipc.publish("lab/readings/hat-1", b"%d" % n)
    received = [inbox.payloads.get(timeout=PATIENCE_S) for _ in range(500)]
    assert received == [("lab/readings/hat-1", b"%d" % n) for n in range(500)]


def test_a_json_message_of_a_tool_arrives_as_its_text(open_ipc: Open, core: Any) -> None:
    _, inbox = open_ipc("lab/display")
    tool = core.connect("lab.Tester")
    tool.ask(
        "PublishToTopic",
        {"topic": "lab/display", "publishMessage": {"jsonMessage": {"message": {"text": "hi"}}}},
    )
    assert inbox.payloads.get(timeout=PATIENCE_S) == ("lab/display", b'{"text": "hi"}')
    tool.close()


def test_a_cut_connection_comes_back_with_its_subscriptions(open_ipc: Open, core: Any) -> None:
    ipc, inbox = open_ipc("lab/a", "lab/b")
    core.call(lambda: core.server.disconnect("lab.Tester"))
    inbox.downs.get(timeout=PATIENCE_S)
    inbox.ups.get(timeout=PATIENCE_S)
    ipc.publish("lab/a", b"1")
    ipc.publish("lab/b", b"2")
    got = {inbox.payloads.get(timeout=PATIENCE_S) for _ in range(2)}
    assert got == {("lab/a", b"1"), ("lab/b", b"2")}
    assert ipc.connections == 2


def test_a_nucleus_that_is_away_is_waited_for(open_ipc: Open, core: Any) -> None:
    ipc, inbox = open_ipc("lab/a")
    core.stop()
    reason = ""
    while not reason:  # until the client has noticed
        try:
            ipc.publish("lab/a", b"lost")
        except IpcError as error:
            reason = str(error)
    assert reason.startswith("publish to lab/a: ")
    core.start()
    inbox.ups.get(timeout=PATIENCE_S)
    ipc.publish("lab/a", b"found")
    while inbox.payloads.get(timeout=PATIENCE_S) != ("lab/a", b"found"):
        pass


def test_subscriptions_that_died_silently_are_noticed_by_the_heartbeat(
    quick: None, open_ipc: Open, core: Any
) -> None:
    ipc, inbox = open_ipc("lab/a")

    core.call(core.services.pubsub.lose_subscriptions)
    inbox.ups.get(timeout=PATIENCE_S)
    ipc.publish("lab/a", b"again")
    assert inbox.payloads.get(timeout=PATIENCE_S) == ("lab/a", b"again")


def test_a_refused_token_is_hopeless_after_some_tries(core: Any, quick: None) -> None:
    inbox = Inbox()
    refused = Ipc(
        inbox,
        (),
        HEARTBEAT,
        lambda handler: awsiot.greengrasscoreipc.connect(
            ipc_socket=str(core.socket_path), authtoken="0" * 16, lifecycle_handler=handler
        ),
    )
    refused.start()
    assert "SVCUID" in inbox.refusals.get(timeout=PATIENCE_S)
    refused.close()


def test_a_missing_nucleus_is_not_a_refusal(tmp_path: Path, quick: None) -> None:
    inbox = Inbox()
    tries = threading.Semaphore(0)

    def connect(handler: Any) -> Any:
        tries.release()
        return awsiot.greengrasscoreipc.connect(
            ipc_socket=str(tmp_path / "nobody"), authtoken="0" * 16, lifecycle_handler=handler
        )

    waiting = Ipc(inbox, (), HEARTBEAT, connect)
    waiting.start()
    for _ in range(4):
        assert tries.acquire(timeout=PATIENCE_S)
    assert inbox.refusals.empty()
    waiting.close()


def test_a_topic_that_is_not_granted_says_so(open_ipc: Open) -> None:
    ipc, _ = open_ipc()
    with pytest.raises(NotAuthorizedError, match="publish to other/topic"):
        ipc.publish("other/topic", b"")


def test_a_subscription_that_is_not_granted_ends_the_process(open_ipc: Open) -> None:
    _, inbox = open_ipc("other/#", wait=False)
    assert "subscribe to other/#" in inbox.refusals.get(timeout=PATIENCE_S)


def test_configuration_is_read_and_its_changes_are_announced(open_ipc: Open, core: Any) -> None:
    ipc, inbox = open_ipc()
    policies = ipc.get_configuration()
    assert set(policies) == {"accessControl"}
    core.call(lambda: core.services.config.update("lab.Tester", ["speed"], 3, 2e12))
    inbox.changes.get(timeout=PATIENCE_S)
    assert ipc.get_configuration()["speed"] == 3


def test_twenty_thousand_publishes_leave_no_memory_behind(open_ipc: Open) -> None:
    ipc, _ = open_ipc()

    def resident_bytes() -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096

    for _ in range(4_000):
        ipc.publish("lab/x", b"warm")
    before = resident_bytes()
    for _ in range(16_000):
        ipc.publish("lab/x", b"flat")
    # Operations that are not closed cost 5.6 KB each on nucleus lite: 90 MB here. The server lives
    # in this process too, so some room is left for it.
    assert resident_bytes() - before < 8_000_000


def test_close_may_be_called_again_and_ends_the_thread(open_ipc: Open) -> None:
    ipc, _ = open_ipc()
    ipc.close()
    ipc.close()
    assert "ipc-keeper" not in {thread.name for thread in threading.enumerate()}
    with contextlib.suppress(IpcError):
        ipc.publish("lab/x", b"")
