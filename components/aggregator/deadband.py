"""Deadband: leave out readings that say nothing new. No I/O and no clock.

Law: a reading is left out only when every metric in it has a band, all its values are good, none
moved by its band or more since the last reading that was kept, and that one is younger than the
longest silence. Where it fails: a slow drift is seen in steps of the band.

>>> from hubkit.payloads import ReadingBatch
>>> batch = ReadingBatch(device_id="d", source="simulated", boot="00000001-00000001", seq=0,
...     t0_s=0.0, clock="synchronised", dt_s=[0, 1, 2, 3, 400],
...     values={"temperature_c": [20.0, 20.05, 20.2, 20.2, 20.2]})
>>> Deadband({"temperature_c": 0.1}, longest_s=300).keep(batch)
[0, 2, 4]
"""

from collections.abc import Mapping

import msgspec

from hubkit.payloads import ReadingBatch


class Kept(msgspec.Struct):
    """The last reading that was kept."""

    time_s: float
    values: dict[str, float]


class Deadband:
    """The filter of one device.

    Args:
        bands: Metric to the smallest move that counts, in the metric's unit.
        longest_s: The longest event time between two readings that are kept.
        kept: The last reading kept when the state was saved.
    """

    def __init__(
        self, bands: Mapping[str, float], longest_s: float, kept: Kept | None = None
    ) -> None:
        self.kept = kept
        self._bands = bands
        self._longest_s = longest_s

    def keep(self, batch: ReadingBatch) -> list[int] | None:
        """The indices to keep; None stands for all of them."""
        if not self._bands:
            return None
        if batch.quality or not batch.values.keys() <= self._bands.keys():
            self.kept = None
            return None
        columns = [(self._bands[metric], metric, c) for metric, c in batch.values.items()]
        indices = []
        for at, dt_s in enumerate(batch.dt_s):
            time_s = batch.t0_s + dt_s
            values = {metric: column[at] for _, metric, column in columns}
            good = {metric: value for metric, value in values.items() if value is not None}
            if len(good) < len(values):
                self.kept = None
            elif not self._moved(time_s, good):
                continue
            else:
                self.kept = Kept(time_s, good)
            indices.append(at)
        return None if len(indices) == len(batch) else indices

    def _moved(self, time_s: float, values: dict[str, float]) -> bool:
        kept = self.kept
        return (
            kept is None
            or not 0 <= time_s - kept.time_s < self._longest_s
            or kept.values.keys() != values.keys()
            or any(abs(v - kept.values[m]) >= self._bands[m] for m, v in values.items())
        )
