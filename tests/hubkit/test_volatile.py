"""The folder on tmpfs: private, one a work folder, and refused when it is somebody else's."""

import stat
from pathlib import Path

import pytest

from hubkit.config import ConfigurationError
from hubkit.volatile import volatile_folder

COMPONENT = "com.hbs.hub.Aggregator"


def folders(tmp_path: Path, *names: str) -> list[Path]:
    made = [tmp_path / name for name in names]
    for folder in made:
        folder.mkdir()
    return made


def test_it_is_the_same_for_the_next_process_and_another_for_another_core_device(
    tmp_path: Path,
) -> None:
    shared, one, two = folders(tmp_path, "shm", "one", "two")
    first = volatile_folder(str(shared), COMPONENT, one)
    assert volatile_folder(str(shared), COMPONENT, one) == first
    assert volatile_folder(str(shared), COMPONENT, two) != first
    assert first.parent == shared
    assert stat.S_IMODE(first.stat().st_mode) == 0o700


def test_a_link_to_the_work_folder_means_the_same_folder(tmp_path: Path) -> None:
    shared, one = folders(tmp_path, "shm", "one")
    link = tmp_path / "link"
    link.symlink_to(one)
    assert volatile_folder(str(shared), COMPONENT, link) == volatile_folder(
        str(shared), COMPONENT, one
    )


def test_without_a_parent_it_lies_in_the_work_folder(tmp_path: Path) -> None:
    assert volatile_folder("", COMPONENT, tmp_path) == tmp_path / "volatile"


def test_an_open_folder_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "volatile").mkdir(mode=0o777)
    folder = volatile_folder("", COMPONENT, tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_parent_that_is_missing_is_named_with_the_remedy(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(ConfigurationError, match=r"volatileFolder='.*missing'.*No such file"):
        volatile_folder(missing, COMPONENT, tmp_path)


@pytest.mark.parametrize("squatter", ["link", "file"])
def test_what_somebody_put_in_its_place_is_refused(tmp_path: Path, squatter: str) -> None:
    (elsewhere,) = folders(tmp_path, "elsewhere")
    if squatter == "link":
        (tmp_path / "volatile").symlink_to(elsewhere)
    else:
        (tmp_path / "volatile").write_text("")
    with pytest.raises(ConfigurationError, match="volatile"):
        volatile_folder("", COMPONENT, tmp_path)
