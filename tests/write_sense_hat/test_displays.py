"""The three places where pictures go, as real files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from write_sense_hat.displays import (
    EMULATOR_LOCK,
    EMULATOR_SCREEN,
    FRAME_BUFFER_NAME,
    DisplayUnavailableError,
    FrameBuffer,
    FrameFile,
    find_emulator,
    find_sense_hat,
)
from write_sense_hat.matrix import BLANK, Picture, at, rgb565

RED_CORNER = Picture(at(0, 0, (255, 0, 0)), "message", "red")


@pytest.fixture
def screen(tmp_path: Path) -> Path:
    """The registers of an emulator that runs: 64 pixels and the gamma table behind them."""
    (tmp_path / EMULATOR_SCREEN).write_bytes(b"\xff" * 160)
    (tmp_path / EMULATOR_LOCK).write_text(f"{os.getpid()}\n")
    return tmp_path / EMULATOR_SCREEN


def test_pixels_are_written_and_the_gamma_table_is_left_alone(screen: Path) -> None:
    FrameBuffer(lambda: find_emulator(screen.parent), 0, 100).show(RED_CORNER)
    assert screen.read_bytes() == rgb565(RED_CORNER.frame) + b"\xff" * 32


def test_rotation_and_brightness_apply_to_the_matrix(screen: Path) -> None:
    FrameBuffer(lambda: find_emulator(screen.parent), 90, 50).show(RED_CORNER)
    assert screen.read_bytes()[:128] == rgb565(at(0, 7, (128, 0, 0)))


def test_the_emulators_own_library_sees_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sense_emu = pytest.importorskip("sense_emu.screen")
    monkeypatch.setattr(sense_emu, "screen_filename", lambda: str(tmp_path / EMULATOR_SCREEN))
    sense_emu.init_screen().close()
    client = sense_emu.ScreenClient()
    # The client holds views of its own map, so that closing it in order is not possible.
    client._touch_stop.set()
    client._touch_thread.join()
    FrameBuffer(lambda: tmp_path / EMULATOR_SCREEN, 0, 100).show(RED_CORNER)
    pixels = client.array.reshape(64).tolist()
    client._fd.close()
    assert pixels == [0xF800] + [0] * 63


def test_no_emulator_is_no_display(tmp_path: Path) -> None:
    with pytest.raises(DisplayUnavailableError, match="no emulator holds"):
        find_emulator(tmp_path)


@pytest.mark.parametrize("content", ["", "no number\n", "99999999999999999999\n"])
def test_a_lock_that_names_no_process_is_no_display(tmp_path: Path, content: str) -> None:
    (tmp_path / EMULATOR_LOCK).write_text(content)
    with pytest.raises(DisplayUnavailableError, match="no emulator holds"):
        find_emulator(tmp_path)


def test_a_lock_of_a_process_that_ended_is_no_display(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    (tmp_path / EMULATOR_LOCK).write_text(f"{ended.pid}\n")
    with pytest.raises(DisplayUnavailableError, match="no emulator holds"):
        find_emulator(tmp_path)


def test_a_screen_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    (tmp_path / EMULATOR_LOCK).write_text(f"{os.getpid()}\n")
    with pytest.raises(DisplayUnavailableError, match="No such file"):
        FrameBuffer(lambda: find_emulator(tmp_path), 0, 100).show(RED_CORNER)
    assert not (tmp_path / EMULATOR_SCREEN).exists()


def test_the_sense_hats_frame_buffer_is_found_by_its_name(tmp_path: Path) -> None:
    for number, name in enumerate(["vc4drmfb", FRAME_BUFFER_NAME]):
        (tmp_path / f"fb{number}").mkdir()
        (tmp_path / f"fb{number}" / "name").write_text(f"{name}\n")
    assert find_sense_hat(tmp_path, Path("/dev")) == Path("/dev/fb1")


def test_no_sense_hat_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DisplayUnavailableError, match="attach a Sense HAT"):
        find_sense_hat(tmp_path)


def test_the_frame_file_holds_the_whole_picture(tmp_path: Path) -> None:
    display = FrameFile(tmp_path / "frame.json")
    display.show(Picture(BLANK, "idle", ""))
    display.show(RED_CORNER)
    content = json.loads((tmp_path / "frame.json").read_text())
    assert content["pixels"][0] == [255, 0, 0]
    assert len(content["pixels"]) == 64
    assert (content["v"], content["kind"], content["text"]) == (1, "message", "red")
    assert [path.name for path in tmp_path.iterdir()] == ["frame.json"]


def test_a_frame_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(DisplayUnavailableError, match="No such file"):
        FrameFile(tmp_path / "missing" / "frame.json").show(RED_CORNER)
