"""The files that become S3 objects, and their names.

Law: a range has one file name and one object key, made from the journal's identifier and the
range's rows, so that writing it again overwrites and never adds. A file is whole or not there.
"""

import os
import zlib
from collections.abc import Iterable
from pathlib import Path

from hubkit.export_log import Range

_GZIP = 16 + zlib.MAX_WBITS


def object_key(thing: str, journal_id: str, fixed: Range) -> str:
    """The S3 key of a range of readings, partitioned as Athena reads it.

    >>> object_key("pi-1", "9f3a2b1c", Range(1, "readings", "2026-01-01", 5, 17, 99, None))
    'readings/v1/date=2026-01-01/thing=pi-1/9f3a2b1c-5-17.ndjson.gz'
    """
    name = f"{journal_id}-{fixed.first}-{fixed.last}.ndjson.gz"
    return f"{fixed.kind}/v1/date={fixed.day}/thing={thing}/{name}"


class ExportFolder:
    """Where files wait until the stream manager has uploaded them.

    Args:
        folder: Made when missing, readable by the stream manager's user.
        journal_id: Part of every name.
    """

    def __init__(self, folder: Path, journal_id: str) -> None:
        self._folder = folder
        self._journal_id = journal_id
        folder.mkdir(mode=0o755, exist_ok=True)

    def path(self, fixed: Range) -> Path:
        """The range's file."""
        name = f"{fixed.day}_{self._journal_id}-{fixed.first}-{fixed.last}.ndjson.gz"
        return self._folder.resolve() / name

    def write(self, fixed: Range, payloads: Iterable[bytes]) -> bool:
        """Write the range's file, on disk before it has its name; False without any payload.

        Raises:
            OSError: It could not be written; no file has the name.
        """
        path = self.path(fixed)
        temporary = path.with_suffix(".part")
        # wbits 31: a gzip header without a time, so the same rows give the same bytes.
        packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
        any_payload = False
        with temporary.open("wb") as file:
            for payload in payloads:
                any_payload = True
                file.write(packer.compress(payload))
            file.write(packer.flush())
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o644)
        if not any_payload:
            temporary.unlink()
            return False
        temporary.rename(path)
        return True

    def remove(self, fixed: Range) -> None:
        """The range is uploaded: its file goes."""
        self.path(fixed).unlink(missing_ok=True)

    def remove_orphans(self, ranges: Iterable[Range]) -> int:
        """Delete files that belong to none of these ranges; returns how many there were."""
        wanted = {self.path(fixed) for fixed in ranges}
        orphans = [path for path in self._folder.resolve().iterdir() if path not in wanted]
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)
