"""What the components complain of: the warnings and errors in their logs, each said once.

Law: a healthy ledger on the screen must not hide a component that cannot do its work. Only what a
component itself calls a warning or an error counts; a complaint that comes again is not repeated.
"""

import re
from pathlib import Path

MOST = 20
"""Different complaints that are said; a component in a loop would fill the screen."""
WIDTH = 300

_COMPLAINT = re.compile(r"std(?:out\. (?:WARNING|ERROR) \S+:|err\.) (?P<text>.*?)\. \{scriptName=")


class Troubles:
    """Reads on in the logs of a core device.

    Args:
        folder: Where the logs are; may not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self._folder = folder
        self._read_bytes: dict[Path, int] = {}

    def look(self) -> list[str]:
        """The complaints that are new."""
        new: list[str] = []
        for log in sorted(self._folder.glob("com.hbs.hub.*.log")):
            for text in self._complaints(log):
                complaint = f"{log.stem.rpartition('.')[2]}: {text[:WIDTH]}"
                if complaint not in self.said and len(self.said) < MOST:
                    self.said.append(complaint)
                    new.append(complaint)
        return new

    def _complaints(self, log: Path) -> list[str]:
        try:
            with log.open("rb") as file:
                size_bytes = file.seek(0, 2)
                start = self._read_bytes.get(log, 0)
                # A log that was turned over begins anew.
                file.seek(start if start <= size_bytes else 0)
                content = file.read()
        except OSError:
            return []
        whole, _, rest = content.rpartition(b"\n")
        self._read_bytes[log] = size_bytes - len(rest)
        lines = whole.decode(errors="replace").splitlines()
        return [match["text"] for line in lines if (match := _COMPLAINT.search(line))]
