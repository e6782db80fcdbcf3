"""The private folder on tmpfs in which a component keeps what must outlive its process only."""

import hashlib
import os
import stat
from pathlib import Path

from hubkit.config import ConfigurationError


def volatile_folder(parent: str, component: str, work_folder: Path) -> Path:
    """The component's own folder below `parent`, made with mode 0700.

    Two core devices on one machine have different work folders and so different names here. With
    an empty `parent` it lies in the work folder itself: for machines without tmpfs, and for tests.

    Raises:
        ConfigurationError: `parent` is no folder, or someone else's folder has the name.
    """
    if parent:
        digest = hashlib.sha256(str(work_folder.resolve()).encode()).hexdigest()[:12]
        folder = Path(parent) / f"{component}-{digest}"
    else:
        folder = work_folder / "volatile"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise ConfigurationError(
            f"volatileFolder={parent!r}: {folder} cannot be made: {error.strerror}; name a folder "
            "on tmpfs that this user may write to"
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise ConfigurationError(
            f"volatileFolder={parent!r}: {folder} is not this user's folder; remove it, or name "
            "another volatileFolder"
        )
    folder.chmod(0o700)
    return folder
