"""A few of the payloads that were refused, kept so that someone can look at them.

Law: the folder never holds more than `SAMPLES` files of at most one payload each; the newest
replace the oldest. It lies on tmpfs: a flood of bad input writes no flash.
"""

import base64
import contextlib
import json
from pathlib import Path

SAMPLES = 16


class Quarantine:
    """Counts refused payloads by reason and keeps samples.

    Args:
        folder: Made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.counts: dict[str, int] = {}
        self._folder = folder
        self._next = 0
        folder.mkdir(exist_ok=True)

    def put(self, topic: str, payload: bytes, reason: str, detail: str) -> None:
        """Count a refused payload under `reason`, and keep it with the detail."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        sample = {
            "topic": topic,
            "reason": reason,
            "detail": detail[:500],
            "payload_base64": base64.b64encode(payload[:65_536]).decode(),
        }
        # The sample is a courtesy: a full tmpfs must not end the process.
        with contextlib.suppress(OSError):
            (self._folder / f"{self._next:02d}.json").write_text(json.dumps(sample))
        self._next = (self._next + 1) % SAMPLES
