"""What a component says of itself on `hub/health/<component>`.

Law: a counter only grows within one life of the process, and `uptime_s` tells lives apart.
"""

import msgspec

from hubkit.payloads import Payload

HealthValue = str | int | float | bool | None


class Health(Payload, kw_only=True):
    """The state of one component: `state` in a word, everything countable in `values`."""

    component: str
    state: str
    uptime_s: float
    values: dict[str, HealthValue] = msgspec.field(default_factory=dict)


def short_name(component: str) -> str:
    """The component's name without its namespace, as topics carry it.

    >>> short_name("com.hbs.hub.ReadSenseHAT")
    'ReadSenseHAT'
    """
    return component.rpartition(".")[2]


def health_topic(component: str) -> str:
    """Where a component reports.

    >>> health_topic("com.hbs.hub.Aggregator")
    'hub/health/Aggregator'
    """
    return f"hub/health/{short_name(component)}"


def heartbeat_topic(component: str) -> str:
    """The topic on which a component talks to itself.

    >>> heartbeat_topic("com.hbs.hub.Aggregator")
    'hub/heartbeat/Aggregator'
    """
    return f"hub/heartbeat/{short_name(component)}"
