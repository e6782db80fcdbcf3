"""A text that runs from right to left through the matrix, over a bar in the lowest row.

Law: at offset 0 the first column is at the right edge, and every offset is one column further; the
text has left at offset `Scroll.length`, so an empty matrix is never part of a scroll.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from write_sense_hat.font import columns
from write_sense_hat.matrix import OFF, SIDE, Colour, Frame

BAR_ROW: Final = SIDE - 1
NO_BAR: Final[tuple[Colour, ...]] = (OFF,) * SIDE


@dataclass(frozen=True)
class Segment:
    """A part of a text in one colour."""

    text: str
    colour: Colour


class Scroll:
    """A text as a strip of coloured columns.

    >>> scroll = Scroll([Segment("1", (9, 9, 9))])
    >>> scroll.length
    10
    >>> [pixel != OFF for pixel in scroll.frame(0)[7::8]]
    [False, True, False, False, False, False, True, False]
    """

    def __init__(self, segments: Sequence[Segment], bar: Sequence[Colour] = NO_BAR) -> None:
        self.text = "".join(segment.text for segment in segments).strip()
        self._bar = tuple(bar)
        strip = [(bits, segment.colour) for segment in segments for bits in columns(segment.text)]
        while strip and strip[-1][0] == 0:
            strip.pop()
        self._strip = strip
        self.length = len(strip) + SIDE - 1

    def frame(self, offset: int) -> Frame:
        """What is in the matrix after `offset` columns have moved in."""
        first = offset - SIDE + 1
        window = [
            self._strip[index] if 0 <= index < len(self._strip) else (0, OFF)
            for index in range(first, first + SIDE)
        ]
        rows = tuple(
            colour if bits >> row & 1 else OFF for row in range(BAR_ROW) for bits, colour in window
        )
        return rows + self._bar
