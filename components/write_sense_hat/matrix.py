"""Pictures of 8x8 RGB pixels: no I/O and no clock.

A frame is 64 colours, row by row from the top left, each (red, green, blue) within 0..255.

>>> frame = at(0, 1, (255, 0, 0))
>>> frame.index((255, 0, 0)), turned(frame, 90).index((255, 0, 0))
(1, 15)
"""

import struct
from dataclasses import dataclass
from typing import Final, Literal

SIDE: Final = 8

Colour = tuple[int, int, int]
Frame = tuple[Colour, ...]
Kind = Literal["idle", "measurement", "message", "alert"]

OFF: Final[Colour] = (0, 0, 0)
BLANK: Final[Frame] = (OFF,) * (SIDE * SIDE)


@dataclass(frozen=True)
class Picture:
    """A frame, and what it is part of."""

    frame: Frame
    kind: Kind
    text: str


IDLE: Final = Picture(BLANK, "idle", "")


def at(row: int, column: int, colour: Colour) -> Frame:
    """A frame with one pixel lit."""
    index = row * SIDE + column
    return (*BLANK[:index], colour, *BLANK[index + 1 :])


def turned(frame: Frame, degrees: int) -> Frame:
    """The frame turned clockwise by a multiple of 90 degrees."""
    for _ in range(degrees // 90 % 4):
        # What is at (row, column) goes to (column, 7 - row).
        frame = tuple(
            frame[(SIDE - 1 - column) * SIDE + row] for row in range(SIDE) for column in range(SIDE)
        )
    return frame


def dimmed(frame: Frame, percent: int) -> Frame:
    """The frame at this part of its brightness; what was lit stays lit."""
    if percent == 100:
        return frame
    return tuple(dim(colour, percent) for colour in frame)


def dim(colour: Colour, percent: int) -> Colour:
    """A colour at this part of its brightness.

    >>> dim((255, 3, 0), 20)
    (51, 1, 0)
    """
    red, green, blue = (-(-channel * percent // 100) for channel in colour)
    return red, green, blue


def rgb565(frame: Frame) -> bytes:
    """The frame as the Sense HAT's frame buffer holds it: 16 bits a pixel, in the machine's order.

    Source: the kernel's driver rpisense-fb; `SenseHat._pack_bin` of the sense-hat package.
    """
    return struct.pack("=64H", *((r >> 3) << 11 | (g >> 2) << 5 | b >> 3 for r, g, b in frame))
