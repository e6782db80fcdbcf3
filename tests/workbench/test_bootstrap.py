"""The project's environment: made once, and one line when it cannot be."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.environment import EnvironmentRefusedError, environment_name
from workbench.bootstrap import STAMP, SUPERSETS, ensure
from workbench.names import REPOSITORY

SCRIPTS = ("bench", "build", "check", "gdk", "lock", "run", "test")
LOCKS = ("runtime", "localcore", "dev")
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def lock(name: str) -> str:
    return (REPOSITORY / "requirements" / f"{name}.txt").read_text()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A checkout whose environment looks as if `localcore` were installed."""
    root = tmp_path / "a checkout"
    (root / "requirements").mkdir(parents=True)
    for name in LOCKS:
        (root / "requirements" / f"{name}.txt").write_text(f"# {name}\n")
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    stamp = {"localcore": environment_name(b"# localcore\n")}
    (root / ".venv" / STAMP).write_text(json.dumps(stamp))
    return root


def test_nothing_is_done_when_the_lock_file_is_installed(repository: Path) -> None:
    ensure(repository, "localcore")
    assert not (repository / "build").exists()


def test_a_superset_counts_for_what_it_contains(repository: Path) -> None:
    ensure(repository, "runtime")
    assert not (repository / "build").exists()


def test_a_changed_lock_file_is_installed(repository: Path) -> None:
    (repository / "requirements" / "localcore.txt").write_text("no-such-thing==1 --hash=md5:0\n")
    (repository / "requirements" / "wheels").mkdir()
    with pytest.raises(EnvironmentRefusedError):
        ensure(repository, "localcore")


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """The scripts alone, in a folder with a space in its name."""
    root = tmp_path / "bare checkout"
    for folder in ("scripts", "components/runtime", "requirements"):
        shutil.copytree(
            REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    return root


def run_script(
    root: Path, path: str, script: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script or root / "scripts" / "test"],
        env={"PATH": path, "HOME": str(root), "LC_ALL": "C"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def only(folder: Path, *programs: str) -> str:
    """A PATH with these programs and no other."""
    folder.mkdir()
    for program in programs:
        found = subprocess.check_output(["sh", "-c", f"command -v {program}"], text=True).strip()
        (folder / program).symlink_to(found)
    return str(folder)


def test_a_missing_python_is_one_line_with_the_remedy(bare_checkout: Path, tmp_path: Path) -> None:
    ended = run_script(bare_checkout, only(tmp_path / "bin", "sh", "dirname", "readlink"))
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "sudo apt install python3" in ended.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_found_through_a_link_to_a_link(
    bare_checkout: Path, tmp_path: Path, name: str
) -> None:
    first, second = tmp_path / "first", tmp_path / "elsewhere" / name
    second.parent.mkdir()
    first.symlink_to(bare_checkout / "scripts" / name)
    second.symlink_to(Path("..") / "first")
    ended = run_script(bare_checkout, only(tmp_path / "bin", "sh", "dirname", "readlink"), second)
    assert ended.stderr.startswith("Python 3.11, 3.12 or 3.13 is needed")


def test_an_old_python_is_passed_over(bare_checkout: Path, tmp_path: Path) -> None:
    path = only(tmp_path / "bin", "sh", "dirname", "readlink")
    old = tmp_path / "bin" / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    ended = run_script(bare_checkout, path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Python 3.11, 3.12 or 3.13 is needed")


def test_a_missing_package_ends_in_one_line_with_the_remedy(
    bare_checkout: Path, tmp_path: Path
) -> None:
    (bare_checkout / "requirements" / "wheels").mkdir()
    path = only(tmp_path / "bin", "sh", "dirname", "readlink")
    (tmp_path / "bin" / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "bin" / "python3").chmod(0o755)
    ended = run_script(bare_checkout, path)
    assert ended.returncode == 1
    assert ended.stdout == ""
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("cannot make .venv: ")
    assert "add it, or remove the folder" in last


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_by_hash_and_no_host_is_named(name: str) -> None:
    text = lock(name)
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert PIN.match(entry)
        assert "--hash=sha256:" in entry
    assert "://" not in text
    assert " /" not in text


@pytest.mark.parametrize("name", LOCKS)
def test_a_superset_pins_the_same_versions(name: str) -> None:
    pins = set(PIN.findall(lock(name)))
    for larger in SUPERSETS[name]:
        assert pins <= set(PIN.findall(lock(larger)))


def test_the_scripts_can_be_run() -> None:
    for name in SCRIPTS:
        assert os.access(REPOSITORY / "scripts" / name, os.X_OK)
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)
