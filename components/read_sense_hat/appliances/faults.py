"""Faults that develop: when each began and when it was repaired.

Law: a fault is written `<kind>@<seconds>`, seconds of event time since the appliance's origin. A
`repair@<seconds>` ends every fault that is older. A fault that is named again begins anew.

>>> schedule = parse_faults("refrigerator", ["leak@120", "repair@7200"])
>>> [schedule.age_s("leak", elapsed_s) for elapsed_s in (0, 120, 3720, 7200)]
[0.0, 0.0, 3600.0, 0.0]
"""

import bisect
import re
from collections.abc import Sequence

from read_sense_hat.appliances import ApplianceName

KINDS: dict[ApplianceName, tuple[str, ...]] = {
    "hvac": ("filter", "leak"),
    "refrigerator": ("leak",),
    "washing_machine": ("bearing", "filter"),
}
REPAIR = "repair"


class FaultError(ValueError):
    """A fault's text was refused; the message says what is allowed."""


class FaultSchedule:
    """Begin and end of every fault of one appliance.

    Args:
        events: (kind, seconds since the origin), in any order; kind `repair` ends all.
    """

    def __init__(self, events: Sequence[tuple[str, float]]) -> None:
        # At the same second a repair comes first: what breaks then breaks after it.
        self._events = sorted(events, key=lambda event: (event[1], event[0] != REPAIR))
        self._times = [at_s for _, at_s in self._events]

    def age_s(self, kind: str, elapsed_s: float) -> float:
        """For how many seconds `kind` has been developing at `elapsed_s`, 0.0 when it is not."""
        for index in range(bisect.bisect_right(self._times, elapsed_s) - 1, -1, -1):
            event, at_s = self._events[index]
            if event == REPAIR:
                return 0.0
            if event == kind:
                return float(elapsed_s - at_s)
        return 0.0


def parse_faults(appliance: ApplianceName, texts: Sequence[str]) -> FaultSchedule:
    """The schedule that `texts` describe.

    >>> parse_faults("refrigerator", ["bearing@5"])
    Traceback (most recent call last):
    read_sense_hat.appliances.faults.FaultError: 'bearing@5': a refrigerator has leak, repair
    >>> parse_faults("hvac", ["leak"])
    Traceback (most recent call last):
    read_sense_hat.appliances.faults.FaultError: 'leak': write <fault>@<seconds>, as leak@120
    """
    allowed = (*KINDS[appliance], REPAIR)
    events = []
    for text in texts:
        match = re.fullmatch(r"\s*([a-z_]+)\s*@\s*(\d+(?:\.\d+)?)\s*", text)
        if match is None:
            raise FaultError(f"{text!r}: write <fault>@<seconds>, as leak@120")
        if match[1] not in allowed:
            raise FaultError(f"{text!r}: a {appliance} has {', '.join(allowed)}")
        events.append((match[1], float(match[2])))
    return FaultSchedule(events)
