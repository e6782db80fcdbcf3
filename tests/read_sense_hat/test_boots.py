import os
import stat
from pathlib import Path

import pytest

from hubkit.config import ConfigurationError
from hubkit.payloads import check_boot
from hubkit.service import NotNowError
from read_sense_hat.boots import Life, RingsFolder, next_boot, open_life
from read_sense_hat.ring import Ring


def opened(work: Path, fingerprint: str = "f", now_s: float = 5.0) -> tuple[Life, Ring]:
    return open_life(
        work / "device",
        size_bytes=4096,
        counter=work / "boots",
        fingerprint=fingerprint,
        now_s=now_s,
    )


def test_a_boot_lives_as_long_as_its_ring(tmp_path: Path) -> None:
    life, ring = opened(tmp_path)
    check_boot(life.boot)
    ring.append(3, b"x")
    ring.close()
    again, ring = opened(tmp_path, now_s=99.0)
    assert again == life
    assert again.origin_s == 5.0
    assert ring.next_seq == 3
    ring.close()


def test_a_new_boot_begins_when_the_ring_is_gone_and_sorts_behind(tmp_path: Path) -> None:
    life, ring = opened(tmp_path)
    ring.append(3, b"x")
    ring.close()
    Ring.erase(tmp_path / "device")
    later, ring = opened(tmp_path)
    assert later.boot > life.boot
    assert ring.next_seq == 0
    ring.close()


def test_another_configuration_is_another_boot(tmp_path: Path) -> None:
    life, ring = opened(tmp_path)
    ring.append(3, b"x")
    ring.close()
    other, ring = opened(tmp_path, fingerprint="g")
    assert (other.boot > life.boot, ring.next_seq) == (True, 0)
    ring.close()


@pytest.mark.parametrize("rubbish", [b"", b"{", b"\xff\xfe", b'{"boot": 1}', b"[]"])
def test_a_damaged_life_or_ring_begins_a_new_boot(tmp_path: Path, rubbish: bytes) -> None:
    life, ring = opened(tmp_path)
    ring.close()
    (tmp_path / "device" / "life.json").write_bytes(rubbish)
    second, ring = opened(tmp_path)
    assert second.boot > life.boot
    ring.close()
    (tmp_path / "device" / "0.ring").write_bytes(b"no ring at all, but long enough")
    third, ring = opened(tmp_path)
    assert third.boot > second.boot
    assert ring.next_seq == 0
    ring.close()


def test_boots_are_counted_across_devices_and_never_named_twice(tmp_path: Path) -> None:
    names = [next_boot(tmp_path / "boots") for _ in range(20)]
    assert names == sorted(names)
    assert names[0].startswith("00000001-")
    assert names[-1].startswith("00000020-")


def test_a_counter_that_cannot_be_read_begins_again(tmp_path: Path) -> None:
    (tmp_path / "boots").write_text("many")
    assert next_boot(tmp_path / "boots").startswith("00000001-")


def test_the_folder_is_private_and_each_work_folder_has_its_own(tmp_path: Path) -> None:
    folders = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        rings = RingsFolder(str(tmp_path), tmp_path / name)
        folders.append(rings.path)
        assert stat.S_IMODE(rings.path.stat().st_mode) == 0o700
        rings.close()
    assert folders[0] != folders[1]


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    first = RingsFolder("", tmp_path)
    with pytest.raises(NotNowError, match="another ReadSenseHAT"):
        RingsFolder("", tmp_path)
    first.close()
    RingsFolder("", tmp_path).close()


def test_a_folder_that_cannot_be_made_is_a_wrong_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="volatileFolder='/nowhere/at/all'"):
        RingsFolder("/nowhere/at/all", tmp_path)
    (tmp_path / "volatile").symlink_to(os.sep + "tmp")
    with pytest.raises(ConfigurationError, match="volatileFolder=''"):
        RingsFolder("", tmp_path)
