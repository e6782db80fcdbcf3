"""What components ask the nucleus for, each once: `localcore start --record-access FILE`.

One JSON object a line: component, service, operation, resource. Refused requests are in it too, so
that `localcore recipe lint --used FILE` can say both what a recipe grants in vain and what it
lacks. A file that exists is continued, so a run may include restarts of localcore.
"""

import logging
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

# A component that asks for ever new topics must not fill the disk; no recipe needs so many.
_MOST = 20_000


class Access(msgspec.Struct, frozen=True):
    """One kind of request; ``operation`` is without `aws.greengrass#`."""

    component: str
    service: str
    operation: str
    resource: str


class AccessRecord:
    """Appends to ``file`` what was not in it before."""

    def __init__(self, file: Path) -> None:
        self._known: set[bytes] = set()
        if file.exists():
            self._known.update(file.read_bytes().splitlines())
        self._file = file

    def note(self, access: Access) -> None:
        """Write it down unless it is known."""
        line = msgspec.json.encode(access)
        if line in self._known or len(self._known) > _MOST:
            return
        if len(self._known) == _MOST:
            log.warning("access record full, the rest is left out: entries=%d", _MOST)
        else:
            # New requests are rare: nothing is kept open.
            with self._file.open("ab") as opened:
                opened.write(line + b"\n")
        self._known.add(line)
