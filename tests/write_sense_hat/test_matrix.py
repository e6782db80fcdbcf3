"""Pixels: judged by the packages that drive the real matrix and its emulator."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from write_sense_hat.matrix import BLANK, Frame, at, dim, dimmed, rgb565, turned

colours = st.tuples(*[st.integers(0, 255)] * 3)
frames = st.lists(colours, min_size=64, max_size=64).map(tuple)


@given(frames)
def test_four_quarter_turns_are_none(frame: Frame) -> None:
    assert turned(turned(frame, 270), 90) == frame
    assert turned(frame, 0) == turned(frame, 360) == frame


@given(frames)
def test_a_half_turn_reverses_the_pixels(frame: Frame) -> None:
    assert turned(frame, 180) == frame[::-1]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_turning_is_what_the_sense_hat_package_means_by_rotation(degrees: int) -> None:
    numpy = pytest.importorskip("numpy")
    positions = numpy.arange(64).reshape(8, 8)
    places = numpy.rot90(positions, degrees // 90)
    for row, column in ((0, 0), (0, 5), (3, 6), (7, 1)):
        expected = divmod(int(places[row][column]), 8)
        assert turned(at(row, column, (1, 2, 3)), degrees) == at(*expected, (1, 2, 3))


@given(frames)
def test_pixels_are_packed_as_the_kernels_driver_holds_them(frame: Frame) -> None:
    packed = rgb565(frame)
    assert len(packed) == 128
    for colour, (bits,) in zip(frame, struct.iter_unpack("=H", packed), strict=True):
        # The second opinion: SenseHat._unpack_bin of the sense-hat package.
        unpacked = ((bits & 0xF800) >> 11, (bits & 0x7E0) >> 5, bits & 0x1F)
        assert unpacked == (colour[0] >> 3, colour[1] >> 2, colour[2] >> 3)


@given(frames, st.integers(1, 100))
def test_dimming_neither_lights_nor_darkens_a_pixel_wholly(frame: Frame, percent: int) -> None:
    for before, after in zip(frame, dimmed(frame, percent), strict=True):
        assert [channel > 0 for channel in before] == [channel > 0 for channel in after]
        assert all(b >= a for b, a in zip(before, after, strict=True))


def test_a_blank_frame_stays_blank() -> None:
    assert dimmed(BLANK, 1) == turned(BLANK, 90) == BLANK
    assert dim((255, 255, 255), 100) == (255, 255, 255)
