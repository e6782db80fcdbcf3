"""Noise that is a function of its index: the same number whenever, in whatever order, it is asked.

A counter-based generator: the index goes through the finaliser of SplitMix64 (Steele, Lea, Flood:
"Fast Splittable Pseudorandom Number Generators", OOPSLA 2014), so there is no state to keep.

>>> noise = Noise(seed=7, channel="temperature")
>>> noise.gauss(1000) == Noise(seed=7, channel="temperature").gauss(1000)
True
>>> noise.gauss(1000) == Noise(seed=8, channel="temperature").gauss(1000)
False
"""

import math
import zlib

_MASK = (1 << 64) - 1
_UNIT = 2.0**-53
_GAUSS = math.sqrt(3.0) / 65535.0


def _mix(z: int) -> int:
    z = (z + 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


class Noise:
    """One channel of noise; channels of one seed are independent of each other."""

    def __init__(self, seed: int, channel: str) -> None:
        self._key = _mix(_mix(seed & _MASK) ^ zlib.crc32(channel.encode()))

    def uniform(self, index: int) -> float:
        """A number in [0, 1)."""
        return (_mix(self._key ^ (index & _MASK)) >> 11) * _UNIT

    def gauss(self, index: int) -> float:
        """A number of mean 0 and standard deviation 1, never beyond 3.5.

        The sum of the four 16-bit parts of one hash (Irwin-Hall of order 4): one hash instead of
        the two and the logarithm that Box-Muller needs.
        """
        z = _mix(self._key ^ (index & _MASK))
        parts = (z & 0xFFFF) + (z >> 16 & 0xFFFF) + (z >> 32 & 0xFFFF) + (z >> 48)
        return (parts - 131070) * _GAUSS
