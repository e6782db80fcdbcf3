"""Greengrass IPC: messages a second, latency, and what a client keeps of what it sent."""

import math
from collections.abc import Generator, Sequence

from workbench.bench.arguments import Nucleus
from workbench.bench.effort import FULL
from workbench.bench.figures import Measured, measured
from workbench.bench.launch import Program, run
from workbench.bench.programs import growth, pipelined, publish, raw, receive
from workbench.bench.setting import Setting

ARRIVAL_S = 10.0
"""How long after the last publish a message may arrive."""


def measure(setting: Setting) -> Generator[Measured, None, None]:
    """Measure the given nucleus, or a localcore."""
    if setting.nucleus is not None:
        setting.socket = setting.nucleus.socket
        yield from _measure(setting, setting.nucleus)
        return
    with setting.device() as device:
        device.start()
        nucleus = device.admit_client()
        setting.socket = nucleus.socket
        yield from _measure(setting, nucleus)


def _measure(setting: Setting, nucleus: Nucleus) -> Generator[Measured, None, None]:
    effort, prefix = setting.effort, setting.topic_prefix
    count, runs = effort.publishes, effort.repeats
    seconds = run("publish", publish.Order(prefix, f"{prefix}/sync", count, runs), nucleus)
    yield measured("ipc.publish_sync_per_s", [count / s for s in seconds])

    seconds = run("pipelined", pipelined.Order(f"{prefix}/pipelined", count, runs), nucleus)
    yield measured("ipc.publish_pipelined_per_s", [count / s for s in seconds])

    count = effort.raw_publishes
    seconds = run("raw", raw.Order(f"{prefix}/raw", count, runs), nucleus)
    yield measured("ipc.publish_raw_per_s", [count / s for s in seconds])

    for per_s, seconds_a_run in effort.latency_s.items():
        latencies = [
            _latencies_ms(setting, nucleus, per_s, round(per_s * seconds_a_run))
            for _ in range(effort.latency_runs)
        ]
        for percent in (50, 99):
            name = f"ipc.latency_{per_s}_p{percent}_ms"
            yield measured(name, [percentile(each, percent) for each in latencies])

    count = effort.growth_publishes
    grown_bytes = run("growth", growth.Order(prefix, f"{prefix}/growth", count), nucleus)
    if count < FULL.growth_publishes:
        setting.notes.append(
            f"memory growth: {count} publishes measured, scaled to {FULL.growth_publishes}"
        )
    scaled_kb = grown_bytes / 1e3 * FULL.growth_publishes / count
    yield measured("ipc.memory_growth_20000_kb", [scaled_kb])


def _latencies_ms(setting: Setting, nucleus: Nucleus, per_s: int, count: int) -> list[float]:
    prefix = setting.topic_prefix
    topic = f"{prefix}/latency"
    order = receive.Order(prefix, topic, count, timeout_s=count / per_s + ARRIVAL_S)
    with Program("receive", order, nucleus) as receiver:
        receiver.line()
        run("publish", publish.Order(prefix, topic, count, per_s=per_s), nucleus)
        latencies: list[float] = receiver.line()
    if len(latencies) < count:
        setting.notes.append(f"{count - len(latencies)} of {count} messages at {per_s}/s were lost")
    return latencies


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that `percent` of the samples do not exceed (nearest rank).

    >>> percentile([4, 1, 3, 2], 50), percentile(range(1, 101), 99), percentile([7], 99)
    (2, 99, 7)
    """
    ranked = sorted(samples)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]
