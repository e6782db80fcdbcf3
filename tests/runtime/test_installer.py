"""The installer against a folder of wheels: no network, a real pip, a real link."""

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.environment import EnvironmentRefusedError, environment_name
from runtime.installer import install, remove_unused


def wheel(folder: Path, name: str, version: str) -> bytes:
    """A wheel of one module that knows its version, and the requirement that pins it by hash."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={_digest(text.encode())},{len(text)}\n" for path, text in files.items()
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    folder.mkdir(exist_ok=True)
    (folder / f"{name}-{version}-py3-none-any.whl").write_bytes(buffer.getvalue())
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    return f"{name}=={version} \\\n    --hash=sha256:{digest}\n".encode()


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


class Place:
    """A work folder, the wheels, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work of a component"
        self.wheels = folder / "wheels"
        self.said: list[str] = []
        self.work.mkdir()
        self.wheels.mkdir()

    def install(self, requirements: bytes, existing: str = "") -> Path:
        return install(
            work=self.work,
            requirements=requirements,
            wheels=self.wheels,
            existing=existing,
            say=self.said.append,
        )

    def version(self, name: str = "first") -> str:
        program = f"import {name}; print({name}.VERSION)"
        python = self.work / "venv" / "bin" / "python"
        return subprocess.check_output([python, "-I", "-c", program], text=True).strip()

    def environments(self) -> list[str]:
        return sorted(path.name for path in (self.work / "environments").iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A work folder with an installed environment, and its requirements; tests copy it."""
    made = Place(tmp_path_factory.mktemp("ready"))
    requirements = wheel(made.wheels, "first", "1.0")
    made.install(requirements)
    return made.work, requirements


@pytest.fixture
def installed(place: Place, ready: tuple[Path, bytes]) -> tuple[Place, bytes]:
    shutil.copytree(ready[0], place.work, symlinks=True, dirs_exist_ok=True)
    return place, ready[1]


def test_a_first_install_makes_an_isolated_environment_behind_the_link(
    installed: tuple[Place, bytes],
) -> None:
    place, requirements = installed
    assert place.version() == "1.0"
    assert place.environments() == [environment_name(requirements)]
    assert (place.work / "venv").readlink() == Path("environments", environment_name(requirements))
    config = (place.work / "venv" / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = false" in config


def test_installing_again_changes_nothing(installed: tuple[Place, bytes]) -> None:
    place, requirements = installed
    before = (place.work / "venv").lstat().st_ino
    place.install(requirements)
    assert (place.work / "venv").lstat().st_ino == before
    assert [line.split()[0] for line in place.said] == ["environment"]


def test_an_upgrade_leaves_the_old_environment_until_the_install_after_it(
    installed: tuple[Place, bytes],
) -> None:
    place, old = installed
    new = wheel(place.wheels, "first", "2.0")
    place.install(new)
    assert place.version() == "2.0"
    assert place.environments() == sorted([environment_name(old), environment_name(new)])
    place.install(new)
    assert place.environments() == [environment_name(new)]


@pytest.fixture
def user(installed: tuple[Place, bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs from the folder behind the link, as the recipes start components."""
    python = (installed[0].work / "venv").resolve() / "bin" / "python"
    process = subprocess.Popen(
        [python, "-I", "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    with process:
        yield process
        process.kill()


def test_an_environment_that_a_process_runs_from_is_not_removed(
    installed: tuple[Place, bytes], user: subprocess.Popen[bytes]
) -> None:
    place, requirements = installed
    environments = place.work / "environments"
    remove_unused(environments, set(), place.said.append)
    assert place.environments() == [environment_name(requirements)]
    user.kill()
    user.wait()
    remove_unused(environments, set(), place.said.append)
    assert place.environments() == []


def test_a_package_that_is_not_what_the_lock_file_says_is_refused(place: Place) -> None:
    requirements = wheel(place.wheels, "first", "1.0")
    wrong = requirements[:-65] + b"0" * 64 + b"\n"
    with pytest.raises(EnvironmentRefusedError, match="does not match the lock file's hash"):
        place.install(wrong)
    assert not (place.work / "venv").is_symlink()
    assert place.environments() == []


def test_a_failed_install_leaves_the_link_where_it_was(installed: tuple[Place, bytes]) -> None:
    place, requirements = installed
    first = wheel(place.wheels, "first", "1.0")
    with pytest.raises(EnvironmentRefusedError, match=r"has no wheel of second==1\.0"):
        place.install(first + wheel(place.work / "elsewhere", "second", "1.0"))
    assert place.version() == "1.0"
    assert place.environments() == [environment_name(requirements)]


def test_what_a_power_cut_left_is_made_anew(installed: tuple[Place, bytes]) -> None:
    place, _ = installed
    new = wheel(place.wheels, "first", "2.0")
    torn = place.work / "environments" / f".{environment_name(new)}.part"
    torn.mkdir()
    (torn / "half").write_text("")
    place.install(new)
    assert place.version() == "2.0"
    assert not torn.exists()


def test_an_environment_whose_python_was_removed_is_made_anew(
    installed: tuple[Place, bytes],
) -> None:
    place, requirements = installed
    wheel(place.wheels, "first", "1.0")
    python = place.work / "venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    place.install(requirements)
    assert place.version() == "1.0"


def test_an_existing_environment_is_used_as_it_is(
    installed: tuple[Place, bytes], tmp_path: Path
) -> None:
    place, requirements = installed
    existing = (place.work / "venv").resolve()
    (tmp_path / "other").mkdir()
    other = Place(tmp_path / "other")
    assert other.install(requirements, str(existing)) == existing
    assert (other.work / "venv").readlink() == existing
    assert other.version() == "1.0"


@pytest.mark.parametrize("existing", ["relative/path", "/nowhere", "{configuration:/environment}"])
def test_an_existing_environment_that_is_none_is_refused(place: Place, existing: str) -> None:
    with pytest.raises(EnvironmentRefusedError, match="is no absolute path of a virtual"):
        place.install(b"", existing)


def test_an_existing_environment_that_lacks_a_package_is_refused(
    installed: tuple[Place, bytes],
) -> None:
    place, requirements = installed
    existing = (place.work / "venv").resolve()
    with pytest.raises(EnvironmentRefusedError, match="lacks second"):
        place.install(requirements + b"second==1.0\n", str(existing))


def test_an_existing_environment_with_another_version_is_used_and_said(
    installed: tuple[Place, bytes],
) -> None:
    place, _ = installed
    place.install(b"first==1.1\n", str((place.work / "venv").resolve()))
    assert "environment differs from the lock file first=1.0 locked=1.1" in place.said


def test_a_folder_in_the_links_place_is_not_removed(
    installed: tuple[Place, bytes],
) -> None:
    place, requirements = installed
    (place.work / "venv").unlink()
    (place.work / "venv").mkdir()
    with pytest.raises(EnvironmentRefusedError, match="venv is no link"):
        place.install(requirements)


def test_the_systems_driver_of_the_sense_hat_is_linked_into_the_environment(
    installed: tuple[Place, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, requirements = installed
    system = tmp_path / "dist-packages"
    system.mkdir()
    driver = system / f"RTIMU.{sys.implementation.cache_tag}-{os.uname().machine}-linux-gnu.so"
    driver.write_bytes(b"")
    (system / "something_else.py").write_text("")
    monkeypatch.setattr(sys, "path", [*sys.path, str(system)])
    place.install(requirements)
    (packages,) = (place.work / "venv").glob("lib/python3.*/site-packages")
    assert (packages / driver.name).resolve() == driver
    assert not (packages / "something_else.py").exists()


def test_two_installs_at_once_wait_for_each_other(place: Place) -> None:
    requirements = wheel(place.wheels, "first", "1.0")
    program = (
        "import sys; from pathlib import Path; from runtime.installer import install\n"
        "install(work=Path(sys.argv[1]), requirements=sys.stdin.buffer.read(),"
        " wheels=Path(sys.argv[2]), existing='', say=print)"
    )
    command = [sys.executable, "-c", program, str(place.work), str(place.wheels)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdin is not None
        process.stdin.write(requirements.decode())
        process.stdin.close()
    said = []
    for process in both:
        with process:
            assert process.stdout is not None
            said.append(process.stdout.read())
        assert process.returncode == 0
    assert sorted("making an environment" in text for text in said) == [False, True]
    assert place.version() == "1.0"
