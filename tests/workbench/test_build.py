"""Artifacts: the same bytes wherever, whenever and by whomever they are built."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from workbench.build import build, check_all, zipapp
from workbench.names import REPOSITORY, NamesDisagreeError, components, select

RECIPE = """\
ComponentName: com.hbs.hub.{short}
ComponentVersion: "1.0.0"
Manifests:
  - Artifacts:
      - Uri: s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/{package}.pyz
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A small repository: one component with code, hubkit, and this repository's build."""
    root = tmp_path / "a checkout"
    for name, content in {
        "recipes/com.hbs.hub.BlinkLED-1.0.0.yaml": RECIPE.format(
            short="BlinkLED", package="blink_led"
        ),
        "components/hubkit/__init__.py": 'NAME = "hubkit"\n',
        "components/hubkit/py.typed": "",
        "components/blink_led/__init__.py": "",
        "components/blink_led/__main__.py": (
            "import sys\nimport hubkit\nfrom blink_led.light import COLOUR\n"
            "print(hubkit.NAME, COLOUR, __name__, sys.argv[1:])\n"
        ),
        "components/blink_led/light/__init__.py": 'COLOUR = "red"\n',
        "components/blink_led/light/table.txt": "data\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    shutil.copytree(
        REPOSITORY / "scripts" / "workbench",
        root / "scripts" / "workbench",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return root


def built(repository: Path) -> Path:
    return repository / "artifacts/com.hbs.hub.BlinkLED/1.0.0/blink_led.pyz"


def run_build(repository: Path, environment: Mapping[str, str], umask: int) -> bytes:
    subprocess.run(
        [sys.executable, "-m", "workbench.build"],
        env={**os.environ, "PYTHONPATH": str(repository / "scripts"), **environment},
        cwd="/",
        umask=umask,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return built(repository).read_bytes()


def test_the_bytes_do_not_depend_on_where_when_and_by_whom_it_is_built(
    repository: Path, tmp_path: Path
) -> None:
    first = run_build(repository, {"TZ": "UTC", "PYTHONHASHSEED": "1"}, 0o022)
    other = tmp_path / "elsewhere"
    shutil.copytree(repository, other, ignore=shutil.ignore_patterns("artifacts"))
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    second = run_build(other, {"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "2"}, 0o077)
    assert first == second
    assert built(other).stat().st_mode & 0o777 == 0o644


def test_an_artifact_runs_by_itself_with_hubkit_inside(repository: Path) -> None:
    run_build(repository, {}, 0o022)
    command = [sys.executable, "-I", str(built(repository)), "one", "two words"]
    said = subprocess.check_output(command, cwd="/", text=True)
    assert said == "hubkit red __main__ ['one', 'two words']\n"


def test_only_sources_and_data_go_in(repository: Path) -> None:
    package = repository / "components" / "blink_led"
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "light.cpython-311.pyc").write_bytes(b"")
    (package / ".editor").write_text("")
    run_build(repository, {}, 0o022)
    with zipfile.ZipFile(built(repository)) as archive:
        assert archive.namelist() == [
            "__main__.py",
            "blink_led/__init__.py",
            "blink_led/__main__.py",
            "blink_led/light/__init__.py",
            "blink_led/light/table.txt",
            "hubkit/__init__.py",
        ]


def test_a_build_that_changes_nothing_writes_nothing(repository: Path) -> None:
    chosen = components(repository)
    assert build(repository, chosen) == [built(repository)]
    os.utime(built(repository), (1, 1))
    assert build(repository, chosen) == []
    assert built(repository).stat().st_mtime == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("ComponentVersion: ", "ComponentVersion: 9"), "ComponentVersion is"),
        (("hub.BlinkLED", "hub.BlinkLight"), "ComponentName is"),
        (("blink_led.pyz", "blink.pyz"), "artifacts are"),
        (("Uri:", "URI:"), "artifacts are"),
    ],
)
def test_a_recipe_that_disagrees_with_its_file_name_is_refused(
    repository: Path, change: tuple[str, str], complaint: str
) -> None:
    recipe = repository / "recipes" / "com.hbs.hub.BlinkLED-1.0.0.yaml"
    recipe.write_text(recipe.read_text().replace(*change))
    with pytest.raises(NamesDisagreeError, match=complaint):
        build(repository, components(repository))


def test_a_stray_file_among_the_recipes_is_refused(repository: Path) -> None:
    (repository / "recipes" / "notes.yaml").write_text("")
    with pytest.raises(NamesDisagreeError, match=r"recipes/notes.yaml is not"):
        components(repository)


def test_two_versions_of_one_recipe_are_refused(repository: Path) -> None:
    (repository / "recipes" / "com.hbs.hub.BlinkLED-1.0.1.yaml").write_text("")
    with pytest.raises(NamesDisagreeError, match=r"recipes 1.0.0 and 1.0.1: keep one"):
        components(repository)


def test_a_package_without_a_recipe_is_refused(repository: Path) -> None:
    (repository / "components" / "orphan").mkdir()
    (repository / "components" / "orphan" / "__init__.py").write_text("")
    with pytest.raises(NamesDisagreeError, match="components/orphan has no recipe"):
        check_all(repository)


def test_an_artifact_of_another_version_is_refused(repository: Path) -> None:
    (repository / "artifacts" / "com.hbs.hub.BlinkLED" / "0.9.0").mkdir(parents=True)
    with pytest.raises(NamesDisagreeError, match=r"0.9.0 belongs to no recipe: remove it"):
        check_all(repository)


def test_components_are_chosen_by_full_or_short_name(repository: Path) -> None:
    (component,) = select(repository, ["BlinkLED"])
    assert select(repository, ["com.hbs.hub.BlinkLED"]) == [component]
    with pytest.raises(NamesDisagreeError, match=r"Blink: no such component; there are"):
        select(repository, ["Blink"])


def test_runtime_carries_the_lock_file_and_nothing_of_hubkit() -> None:
    (runtime,) = select(REPOSITORY, ["Runtime"])
    content = zipapp(REPOSITORY, runtime)
    assert (REPOSITORY / "requirements" / "runtime.txt").read_bytes() in content
    assert b"hubkit/__init__.py" not in content
