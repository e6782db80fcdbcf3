"""The Aggregator's configuration; every default is in its recipe."""

from typing import Annotated, Literal

import msgspec

from hubkit.config import Configuration, ConfigurationError
from hubkit.service import ServiceConfiguration

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class StreamManagerAddress(Configuration, frozen=True, kw_only=True):
    """Where the stream manager listens: its `STREAM_MANAGER_SERVER_PORT`, 8088 unless changed."""

    host: str
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class Deadband(Configuration, frozen=True, kw_only=True):
    """A metric whose readings are not exported while it moves by less than `band`."""

    metric: str
    band: Annotated[float, msgspec.Meta(gt=0)]


class AggregatorConfiguration(ServiceConfiguration, frozen=True, kw_only=True):
    """What the Aggregator is told.

    `syncSeconds` and `syncKilobytes` bound what a power cut may take; `flush...` bound how long
    and how much readings wait before they become an S3 object, `windowFlushSeconds` the same for
    windows and Kinesis. `latenessSeconds` is how long a window waits for a gap to be filled.
    """

    export: Literal["none", "streamManager"]
    bucket: str
    kinesis_stream: str
    stream_manager: StreamManagerAddress
    stream_megabytes: Annotated[int, msgspec.Meta(ge=8, le=4_096)]
    window_seconds: Seconds
    lateness_seconds: Seconds
    sync_seconds: Seconds
    sync_kilobytes: Annotated[int, msgspec.Meta(ge=16, le=16_384)]
    quota_megabytes: Annotated[int, msgspec.Meta(ge=1, le=4_096)]
    flush_seconds: Seconds
    flush_kilobytes: Annotated[int, msgspec.Meta(ge=1, le=65_536)]
    window_flush_seconds: Seconds
    ledger_seconds: Seconds
    drain_seconds: Annotated[float, msgspec.Meta(ge=0, le=600)]
    deadband: list[Deadband]
    deadband_seconds: Seconds
    volatile_folder: str

    def check(self) -> None:
        """Raise `ConfigurationError` for an export without a destination."""
        super().check()
        if self.export == "streamManager" and not (self.bucket and self.kinesis_stream):
            raise ConfigurationError(
                f"export='streamManager' with bucket={self.bucket!r} and "
                f"kinesisStream={self.kinesis_stream!r}: name both, or set export to 'none'"
            )
