"""What can be configured; the defaults are in the recipe."""

from typing import Annotated, Literal

import msgspec

from hubkit.config import ConfigurationError
from hubkit.service import ServiceConfiguration


class WriteSenseHatConfiguration(ServiceConfiguration, frozen=True, kw_only=True):
    """The keys of com.hbs.hub.WriteSenseHAT.

    `display` is the LED matrix of a Sense HAT, that of its emulator, or `terminal`: no matrix, only
    the frame file. `frame_file` is a file in the work folder that holds what is shown, "" for none;
    it is replaced with each column, so on flash give an absolute path on tmpfs.
    `metrics` are shown in this order; `comfort` is their range [low, high] without a colour of
    warning. Alerts that are not cleared end after `alert_seconds`, as a message that clears one can
    be lost; measurements and messages that wait are dropped after `stale_seconds`.
    """

    display: Literal["sensehat", "emulator", "terminal"]
    frame_file: str
    rotation: int
    brightness_percent: Annotated[int, msgspec.Meta(ge=1, le=100)]
    columns_per_second: Annotated[float, msgspec.Meta(ge=1, le=30)]
    metrics: list[str]
    comfort: dict[str, tuple[float, float]]
    stale_seconds: Annotated[float, msgspec.Meta(ge=1, le=86400)]
    alert_seconds: Annotated[float, msgspec.Meta(ge=1, le=604800)]

    def check(self) -> None:
        """Raise `ConfigurationError` where keys do not fit together."""
        super().check()
        if self.display == "terminal" and not self.frame_file:
            raise ConfigurationError(
                "display='terminal' shows nothing without a frameFile: name a file"
            )
        if self.rotation not in {0, 90, 180, 270}:
            raise ConfigurationError(f"rotation={self.rotation}: 0, 90, 180 or 270 is allowed")
        for metric, (low, high) in self.comfort.items():
            if low >= high:
                raise ConfigurationError(
                    f"comfort.{metric}=[{low}, {high}]: low must be below high"
                )
