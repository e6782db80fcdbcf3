"""The way of the book, on the same localcore and stream manager, for comparison."""

from collections.abc import Generator

from workbench.bench.figures import Measured, measured
from workbench.bench.launch import run
from workbench.bench.programs import book
from workbench.bench.setting import Setting

KINESIS_STREAM = "book"
RUNS = 3


def measure(setting: Setting) -> Generator[Measured, None, None]:
    """Measure with the stream manager exporting to the embedded cloud, as the book exports."""
    with setting.device() as device:
        device.start()
        device.start_cloud(buckets=[], kinesis_streams=[KINESIS_STREAM])
        nucleus = device.admit_client(streams=True)
        order = book.Order(
            device.stream_manager_port, KINESIS_STREAM, setting.effort.book_readings, RUNS
        )
        rates = run("book", order, nucleus)
    yield measured("book.readings_per_s", rates)
