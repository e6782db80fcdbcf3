"""The private folder on tmpfs in which a component keeps what must outlive its process only."""

import hashlib
import os
import stat
from pathlib import Path


def volatile_folder(parent: str, component: str, work_folder: Path) -> Path:
    """The component's own folder below `parent`, made with mode 0700.

    Two core devices on one machine have different work folders and so different names here. With
    an empty `parent` it lies in the work folder itself: for machines without tmpfs, and for tests.

    Raises:
        PermissionError: Someone else's folder has that name.
    """
    if parent:
        digest = hashlib.sha256(str(work_folder.resolve()).encode()).hexdigest()[:12]
        folder = Path(parent) / f"{component}-{digest}"
    else:
        folder = work_folder / "volatile"
    folder.mkdir(mode=0o700, parents=not parent, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != _own_uid():
        raise PermissionError(
            f"{folder} is not this user's folder: remove it, or set volatileFolder to another one"
        )
    folder.chmod(0o700)
    return folder


def _own_uid() -> int:
    return os.getuid()
