"""The programs, on tiny orders, with the real processes."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubkit.payloads import MAX_PAYLOAD_BYTES, encode
from workbench.bench.arguments import Nucleus
from workbench.bench.device import BenchError
from workbench.bench.launch import run
from workbench.bench.programs import core, flash, publish
from workbench.bench.programs.readings import arrivals, batch, whole_windows
from workbench.names import REPOSITORY, select


@pytest.fixture
def storage() -> Iterator[Path]:
    """A folder on a disk: the temporary folder may be a tmpfs."""
    (REPOSITORY / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=REPOSITORY / "build", prefix="test-") as folder:
        yield Path(folder)


def test_a_measured_batch_is_the_same_each_time_and_fits_into_a_message() -> None:
    assert batch("bench-1", 7) == batch("bench-1", 7) != batch("bench-1", 8)
    assert all(len(encode(batch("bench-1", number))) < MAX_PAYLOAD_BYTES for number in range(50))


def test_the_measured_stream_has_gaps_that_are_filled_and_duplicates() -> None:
    came = arrivals(100)
    assert set(came) == set(range(100))
    assert len(came) == 110
    assert came != sorted(came)


def test_whole_windows_are_no_fewer_batches() -> None:
    assert [whole_windows(count) for count in (1, 60, 61)] == [60, 60, 120]


def test_the_core_accounts_for_every_reading_while_it_is_measured() -> None:
    rates = run("core", core.Order(batches=40, runs=2))
    assert len(rates) == 2
    assert min(rates) > 0


def test_flash_counts_what_the_journal_writes(storage: Path, tmp_path: Path) -> None:
    (component,) = select(REPOSITORY, ["Aggregator"])
    recipe = str(REPOSITORY / component.recipe)
    assert run("flash", flash.Order(recipe, str(storage), str(tmp_path), hours=0.1)) > 0
    assert (storage / "journal.sqlite").exists()


def test_a_program_that_fails_says_its_last_words(tmp_path: Path) -> None:
    nowhere = Nucleus(tmp_path / "no.socket", "T")
    with pytest.raises(BenchError, match=r"the program raw ended with 1: FileNotFoundError"):
        run("raw", publish.Order("bench", "bench/raw", 1), nowhere)
