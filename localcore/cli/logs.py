"""`localcore logs get` and `list-log-files`: the files are read directly, daemon or not."""

import argparse
import os
import time
from pathlib import Path

from localcore.cli.output import print_json
from localcore.cli.parser import chosen_root
from localcore.errors import NotFoundError

# From the end of a file, as far back as this: more lines than anybody reads.
_TAIL_BYTES = 4 * 1024 * 1024
_LOOK_S = 0.1


def list_files(options: argparse.Namespace) -> int:
    """Print the log files, rotated ones included."""
    files = sorted(str(file) for file in _folder(options).glob("*.log"))
    if options.json:
        print_json(files)
    else:
        print("\n".join(files))
    return 0


def get(options: argparse.Namespace) -> int:
    """Print the last lines of the logs by time, and with --follow what comes."""
    folder = _folder(options)
    files = [_file(folder, name) for name in options.component] or _current(folder)
    lines = [line for file in files for line in _tail(file, options.lines)]
    # Every line begins with its time; sorting is stable, so a file's own order stays.
    lines.sort(key=lambda line: line[:24])
    for line in lines[-options.lines :] if options.lines else ():
        print(line)
    if options.follow:
        _follow(folder, files, named=bool(options.component))
    return 0


def _folder(options: argparse.Namespace) -> Path:
    folder = chosen_root(options) / "logs"
    if not folder.is_dir():
        raise NotFoundError(f"No logs in {folder}: has localcore ever run on this --root?")
    return folder


def _file(folder: Path, name: str) -> Path:
    file = folder / f"{name}.log"
    if not file.exists():
        known = ", ".join(each.stem for each in _current(folder)) or "none"
        raise NotFoundError(f"No log of {name!r} in {folder}; there are: {known}")
    return file


def _current(folder: Path) -> list[Path]:
    """The files being written: a rotated one has its hour and number after underscores."""
    files = sorted(folder.glob("*.log"))
    return [file for file in files if len(file.stem.rsplit("_", 5)) < 6]


def _tail(file: Path, count: int) -> list[str]:
    with file.open("rb") as opened:
        opened.seek(max(0, os.fstat(opened.fileno()).st_size - _TAIL_BYTES))
        lines = opened.read().decode(errors="replace").splitlines()
    return lines[-count:] if count else []


def _follow(folder: Path, files: list[Path], *, named: bool) -> None:
    """Print what is appended, for ever; a file that was rotated is opened anew."""
    at = {file: (file.stat().st_ino, file.stat().st_size) for file in files}
    while True:
        for file in files if named else _current(folder):
            inode, offset = at.get(file, (0, 0))
            try:
                found = file.stat()
            except FileNotFoundError:
                continue
            if found.st_ino != inode:
                offset = 0
            if found.st_size > offset:
                with file.open("rb") as opened:
                    opened.seek(offset)
                    data = opened.read()
                print(data.decode(errors="replace"), end="", flush=True)
                offset += len(data)
            at[file] = (found.st_ino, offset)
        time.sleep(_LOOK_S)
