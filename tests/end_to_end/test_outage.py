"""The cloud goes away: readings wait, and arrive once."""

import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

from hubkit.payloads import LedgerBoot
from localcore.cloud import endpoint
from localcore.control.client import Control
from tests.end_to_end.conftest import OpenSession
from tests.end_to_end.far_end import FarEnd, key, produced
from tests.end_to_end.hub_process import AGGREGATOR
from tests.end_to_end.waiting import wait_for
from workbench.run.deployment import BUCKET, COMPONENTS, KINESIS_STREAM

OpenHub = Callable[..., OpenSession]


def _update(hub: OpenSession, component: str, **keys: Any) -> None:
    """A configuration update by a deployment, as a user's."""
    update = {component: {"MERGE": keys}}
    ended = Control(hub.root).deploy(merge=COMPONENTS, update_config=update)
    assert ended["status"] == "SUCCEEDED", ended


def _ledger(hub: OpenSession) -> LedgerBoot:
    return hub.observation.picture().ledger


def _assert_all_arrived_once(hub: OpenSession) -> None:
    hub.session.stop()
    with FarEnd(hub.root) as far_end:
        counts = Counter(map(key, far_end.readings()))
    assert max(counts.values()) == 1
    ledger, rings = _ledger(hub), produced(hub.root)
    for (device_id, boot), next_seq in rings.items():
        found = sorted(k[3] for k in counts if k[1:3] == (device_id, boot))
        assert found == list(range(next_seq)), (device_id, boot)
    assert len(counts) == ledger.produced >= sum(rings.values()) > 0
    assert (ledger.queued, ledger.dropped) == (0, {})


def test_readings_wait_while_the_cloud_is_gone_and_arrive_once(open_session: OpenHub) -> None:
    hub = open_session("--source", "simulated")
    # Nothing is exported before the cloud is gone: what a killed cloud has is lost with it.
    _update(hub, AGGREGATOR, flushSeconds=3600, windowFlushSeconds=3600)
    with FarEnd(hub.root) as far_end:
        assert far_end.readings() == []
    folder = hub.root / "cloud"
    gone = endpoint.find(folder)
    assert gone is not None
    os.kill(gone.pid, signal.SIGKILL)
    wait_for("the end of the cloud", lambda: endpoint.find(folder) is None)
    _update(hub, AGGREGATOR, flushSeconds=0.5, windowFlushSeconds=0.5)
    tasks = hub.root / "work" / AGGREGATOR / "exports"
    wait_for("export files without a cloud", lambda: len(list(tasks.glob("*.gz"))) > 1)
    assert _ledger(hub).delivered == 0
    wait_for("queued readings", lambda: _ledger(hub).queued > 10)

    port = int(gone.url.rpartition(":")[2])
    endpoint.ensure(folder, port=port, buckets=[BUCKET], kinesis_streams=[KINESIS_STREAM])
    wait_for("delivered readings", lambda: _ledger(hub).delivered > 10)

    # Once more, this time alive and silent, as behind a network that drops every packet.
    silent = endpoint.find(folder)
    assert silent is not None
    os.kill(silent.pid, signal.SIGSTOP)
    try:
        delivered = _ledger(hub).delivered
        wait_for("more readings", lambda: _ledger(hub).produced > delivered + 10)
    finally:
        os.kill(silent.pid, signal.SIGCONT)
    _assert_all_arrived_once(hub)
