"""The life of a device's ring: its boot, and where it lies.

Law: a boot lives as long as its ring's files. It is named `<counter>-<random>`: the counter is
kept in the work folder, on flash and synced, so that boots sort by age and no name is ever given
twice; the random part keeps two hubs with a copied work folder apart. A device of another
configuration is another life: what its sequence numbers mean (the rows of a file, the steps of a
model) would not be the same.

The rings lie in the component's private folder under `volatileFolder` (hubkit.volatile). A lock
keeps a second process out.
"""

import fcntl
import logging
import os
import secrets
from pathlib import Path

import msgspec

from hubkit.service import NotNowError
from hubkit.volatile import volatile_folder
from read_sense_hat import COMPONENT
from read_sense_hat.ring import Ring, RingDamagedError

_log = logging.getLogger(__name__)


class RingsFolder:
    """The private folder of all rings of this component, locked while this object is open.

    Args:
        volatile: Where it is made; "" for the work folder.
        work_folder: The component's own, which tells two core devices apart.

    Raises:
        ConfigurationError: It cannot be made there, or belongs to somebody else.
        NotNowError: Another process keeps it locked.
    """

    def __init__(self, volatile: str, work_folder: Path) -> None:
        self.path = volatile_folder(volatile, COMPONENT, work_folder)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise NotNowError(
                f"{self.path} is locked by another ReadSenseHAT: one that its nucleus left behind "
                "ends when its token is refused"
            ) from None

    def close(self) -> None:
        """Give the folder free; may be called again."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


class Life(msgspec.Struct, frozen=True):
    """What a ring's readings belong to: kept beside the ring.

    `origin_s` is the event time at which this boot began; `fingerprint` names the device's
    settings.
    """

    boot: str
    fingerprint: str
    origin_s: float


def open_life(
    folder: Path, *, size_bytes: int, counter: Path, fingerprint: str, now_s: float
) -> tuple[Life, Ring]:
    """The life and ring that a device's folder holds, or new ones.

    Args:
        folder: The device's own; made when missing.
        size_bytes: The ring's.
        counter: The file that counts boots, in the work folder.
        fingerprint: What the device's sequence numbers mean; another one begins a new boot.
        now_s: The origin of a new life.

    Raises:
        OSError: The files cannot be read or written.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "life.json"
    life = _read_life(path)
    if life is not None and life.fingerprint == fingerprint and Ring.exists(folder):
        try:
            ring = Ring(folder, size_bytes)
        except RingDamagedError as error:
            _log.warning("ring refused, a new boot begins reason=%s", error)
        else:
            _log.info("boot goes on boot=%s next_seq=%d", life.boot, ring.next_seq)
            return life, ring
    path.unlink(missing_ok=True)
    Ring.erase(folder)
    life = Life(boot=next_boot(counter), fingerprint=fingerprint, origin_s=now_s)
    ring = Ring(folder, size_bytes)
    try:
        _replace(path, msgspec.json.encode(life), durable=False)
    except OSError:
        ring.close()
        raise
    _log.info("boot begins boot=%s folder=%s", life.boot, folder)
    return life, ring


def _read_life(path: Path) -> Life | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Life)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def next_boot(counter: Path) -> str:
    """A boot that was never named before; the counter is on flash when this returns.

    Raises:
        OSError: The counter cannot be kept.
    """
    try:
        number = int(counter.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        number = 0
    # Eight digits, as hubkit.payloads.BOOT: after 99,999,999 boots it begins again.
    number = number % 99_999_999 + 1
    _replace(counter, f"{number}\n".encode(), durable=True)
    return f"{number:08d}-{secrets.token_hex(4)}"


def _replace(path: Path, data: bytes, *, durable: bool) -> None:
    """Write a file so that it is the old one or the new one; `durable` survives losing power."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as stream:
        stream.write(data)
        if durable:
            stream.flush()
            os.fsync(stream.fileno())
    temporary.replace(path)
    if durable:
        fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
