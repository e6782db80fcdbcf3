"""Counting at the far end, against what a test put there itself."""

import gzip
import itertools
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcore.cloud import endpoint
from localcore.cloud.clients import AwsClients
from localcore.cloud.contents import CloudContents, CloudCounts, count_readings, runs_of

REGION = "us-east-1"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("cloud")
    yield endpoint.ensure(root).url
    endpoint.stop(root)


class Far:
    """A bucket and a data stream of a test's own."""

    def __init__(self, url: str):
        clients = AwsClients(url, REGION)
        self.s3, self.kinesis = clients.get("s3"), clients.get("kinesis")
        self.name = f"far-{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=self.name)
        self.kinesis.create_stream(StreamName=self.name, ShardCount=2)

    def put_readings(self, key: str, *keys: tuple[str, int], extra: bytes = b"") -> int:
        lines = [
            json.dumps({"thing": "t", "device_id": device, "boot": "b", "seq": seq, "v": 1.5})
            for device, seq in keys
        ]
        body = gzip.compress("\n".join(lines).encode() + b"\n" + extra)
        self.s3.put_object(Bucket=self.name, Key=f"readings/v1/{key}", Body=body)
        return len(body)

    def put_windows(self, *first_seqs: int, packed: bool = False) -> None:
        lines = [
            json.dumps({"thing": "t", "device_id": "d", "boot": "b", "first_seq": n, "count": 5})
            for n in first_seqs
        ]
        data = "\n".join(lines).encode()
        self.kinesis.put_record(
            StreamName=self.name,
            Data=gzip.compress(data) if packed else data,
            PartitionKey=uuid.uuid4().hex,
        )


@pytest.fixture
def far(url: str) -> Far:
    return Far(url)


def test_rows_and_distinct_keys_are_counted(url: str, far: Far) -> None:
    size = far.put_readings("a", ("hat", 0), ("hat", 1), ("fridge", 0))
    size += far.put_readings("b", ("hat", 1), ("hat", 2))
    far.s3.put_object(Bucket=far.name, Key="elsewhere", Body=b"not counted")
    counts = count_readings(url, far.name)
    assert counts == CloudCounts(
        s3_objects=2, s3_readings=5, s3_keys=4, s3_bytes=size, devices={"fridge": 1, "hat": 4}
    )
    assert counts.bytes == size


def test_windows_are_counted_once_whatever_the_record(url: str, far: Far) -> None:
    far.put_windows(0, 5, 10)
    far.put_windows(10, 15, packed=True)
    counts = count_readings(url, far.name, far.name)
    assert (counts.kinesis_records, counts.kinesis_windows) == (2, 4)
    assert counts.bytes == counts.kinesis_bytes > 0


def test_lines_that_are_no_readings_are_bad_and_nothing_else(url: str, far: Far) -> None:
    far.put_readings("a", ("hat", 0), extra=b'{"thing": "t"}\nnonsense\n')
    far.s3.put_object(Bucket=far.name, Key="readings/v1/cut", Body=b"\x1f\x8b\x08cut")
    far.kinesis.put_record(StreamName=far.name, Data=b"[]", PartitionKey="p")
    counts = count_readings(url, far.name, far.name)
    assert (counts.s3_readings, counts.kinesis_windows, counts.bad_lines) == (1, 0, 4)


def test_refreshing_reads_only_what_is_new(url: str, far: Far) -> None:
    contents = CloudContents(url, far.name, far.name)
    fetched: list[str] = []
    s3 = contents._clients.get("s3")
    s3.meta.events.register(
        "before-parameter-build.s3.GetObject",
        lambda params, **_: fetched.append(params["Key"].rpartition("/")[2]),
    )
    far.put_readings("a", ("hat", 0))
    far.put_windows(0)
    first = contents.refresh()
    assert (first.s3_keys, first.kinesis_windows, fetched) == (1, 1, ["a"])
    assert contents.refresh() == first
    far.put_readings("b", ("hat", 1))
    far.put_windows(5)
    second = contents.refresh()
    assert (second.s3_keys, second.kinesis_windows, fetched) == (2, 2, ["a", "b"])
    # An object that is written again counts once, as what it is now.
    far.put_readings("a", ("hat", 0), ("hat", 7))
    third = contents.refresh()
    assert (third.s3_objects, third.s3_readings, third.s3_keys) == (2, 3, 3)
    assert fetched == ["a", "b", "a"]
    far.s3.delete_object(Bucket=far.name, Key="readings/v1/a")
    assert contents.refresh().s3_keys == 1


def test_more_objects_than_one_page_holds_are_all_counted(
    url: str, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(5):
        far.put_readings(str(index), ("hat", index))
    contents = CloudContents(url, far.name)
    real = contents._clients.get("s3").get_paginator("list_objects_v2")

    def pages_of_two(**arguments: Any) -> Any:
        return real.paginate(**arguments, PaginationConfig={"PageSize": 2})

    monkeypatch.setattr(
        contents._clients.get("s3"), "get_paginator", lambda _: _Paginator(pages_of_two)
    )
    assert contents.refresh().s3_keys == 5


class _Paginator:
    def __init__(self, paginate: Any):
        self.paginate = paginate


def test_what_does_not_exist_yet_is_empty(url: str) -> None:
    assert count_readings(url, "no-such-bucket", "no-such-stream") == CloudCounts()


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 10)), max_size=20))
def test_runs_hold_exactly_the_numbers(spans: list[tuple[int, int]]) -> None:
    inclusive = [(first, first + length) for first, length in spans]
    numbers = {n for first, last in inclusive for n in range(first, last + 1)}
    runs = runs_of(inclusive)
    assert {n for first, last in runs for n in range(first, last + 1)} == numbers
    assert all(last + 1 < first for (_, last), (first, _) in itertools.pairwise(runs))
