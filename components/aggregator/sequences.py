"""Which sequence numbers of one device and boot are settled: no I/O and no clock.

Law: the set only grows, and `fill` says exactly which part of a range was new, so a reading is
counted once however often and in whatever order its batch arrives.

>>> settled = Sequences()
>>> settled.fill(0, 10), settled.fill(20, 30), settled.fill(5, 25)
([(0, 10)], [(20, 30)], [(10, 20)])
>>> settled.upto, settled.missing(40)
(30, [(30, 40)])
"""

from bisect import bisect_left, bisect_right


class Sequences:
    """A set of sequence numbers: everything below `upto`, and ranges beyond it.

    Args:
        upto: The end of what is settled without a gap.
        beyond: Sorted, disjoint, non-adjacent half-open ranges above `upto`.
    """

    def __init__(self, upto: int = 0, beyond: list[tuple[int, int]] | None = None) -> None:
        self.upto = upto
        self._firsts = [first for first, _ in beyond or []]
        self._ends = [end for _, end in beyond or []]

    @property
    def beyond(self) -> list[tuple[int, int]]:
        """The ranges above the first gap."""
        return list(zip(self._firsts, self._ends, strict=True))

    @property
    def end(self) -> int:
        """The number after the highest one that is settled."""
        return self._ends[-1] if self._ends else self.upto

    @property
    def gaps(self) -> int:
        """How many gaps there are below `end`."""
        return len(self._firsts)

    def joins(self, first: int, end: int) -> bool:
        """Whether filling [first, end) makes no gap more: it touches what is settled.

        >>> settled = Sequences(10, [(20, 30)])
        >>> settled.joins(5, 12), settled.joins(12, 15), settled.joins(15, 20)
        (True, False, True)
        """
        if first <= self.upto:
            return True
        at = bisect_left(self._ends, first)
        return at < len(self._firsts) and self._firsts[at] <= end

    def fill(self, first: int, end: int) -> list[tuple[int, int]]:
        """Settle [first, end) and return the parts of it that were not, in order."""
        if first == self.upto and not self._firsts:
            self.upto = end
            return [(first, end)]
        new = self.missing_within(first, end)
        if not new:
            return new
        low = bisect_left(self._ends, first)
        high = bisect_right(self._firsts, end)
        if low < high:
            first = min(first, self._firsts[low])
            end = max(end, self._ends[high - 1])
        self._firsts[low:high] = [first]
        self._ends[low:high] = [end]
        if self._firsts[0] <= self.upto:
            self.upto = max(self.upto, self._ends[0])
            del self._firsts[0], self._ends[0]
        return new

    def missing_within(self, first: int, end: int) -> list[tuple[int, int]]:
        """The parts of [first, end) that are not settled, in order."""
        at = max(first, self.upto)
        gaps = []
        for index in range(bisect_right(self._ends, at), len(self._firsts)):
            if self._firsts[index] >= end:
                break
            if at < self._firsts[index]:
                gaps.append((at, self._firsts[index]))
            at = self._ends[index]
        if at < end:
            gaps.append((at, end))
        return gaps

    def missing(self, end: int) -> list[tuple[int, int]]:
        """All gaps below `end`."""
        return self.missing_within(self.upto, end)
