"""Where the sockets of a root are, the same for the daemon and for everybody who looks for it.

In the root; or, when that path would exceed what a unix socket address holds, in a folder of the
temporary directory named after the root, for this user only.
"""

import hashlib
import os
import tempfile
from pathlib import Path

# sizeof(sockaddr_un.sun_path) is 108 on Linux, with the final NUL (unix(7)).
SUN_PATH_BYTES = 107


def socket_path(root: Path, name: str) -> Path:
    """The path of a socket, as ``ipc.socket``. ``root`` must be absolute."""
    inside = root / name
    if len(os.fsencode(inside)) <= SUN_PATH_BYTES:
        return inside
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"localcore-{os.getuid()}-{digest}" / name


def prepare_socket(path: Path) -> None:
    """Make the folder, for this user only when it is not the root's; PermissionError if not
    ours.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent.stat().st_uid != os.getuid():
        raise PermissionError(f"{path.parent} belongs to another user: remove it")


def remove_socket(path: Path) -> None:
    """Remove the socket, and its folder when that was made for it."""
    path.unlink(missing_ok=True)
    if path.parent.name.startswith("localcore-"):
        try:
            path.parent.rmdir()
        except OSError:
            return  # the other socket is still there
