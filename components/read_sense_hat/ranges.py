"""Half-open ranges of sequence numbers, kept apart and in order.

>>> ranges = Ranges()
>>> for pair in [(10, 20), (30, 40), (18, 30), (50, 51)]:
...     ranges.add(*pair)
>>> ranges.pairs
[(10, 40), (50, 51)]
>>> ranges.cut_below(15)
>>> ranges.pairs, len(ranges)
([(15, 40), (50, 51)], 26)
"""


class Ranges:
    """A set of integers as ranges [first, end)."""

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return sum(end - first for first, end in self.pairs)

    def __bool__(self) -> bool:
        return bool(self.pairs)

    def add(self, first: int, end: int) -> None:
        """Add [first, end), which may touch or overlap what is there."""
        apart = []
        for pair in self.pairs:
            if pair[1] < first or end < pair[0]:
                apart.append(pair)
            else:
                first, end = min(first, pair[0]), max(end, pair[1])
        self.pairs = sorted([*apart, (first, end)])

    def cut_below(self, seq: int) -> None:
        """Forget everything below `seq`."""
        self.pairs = [(max(first, seq), end) for first, end in self.pairs if end > seq]
