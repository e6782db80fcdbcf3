"""What has arrived in the cloud, counted there: objects read back, records decoded.

Nothing the sender says is trusted. `CloudContents.refresh` reads only what is new since the last
call (an object whose ETag is known is not read again, a shard is read on from where it was), so
that a live view can call it each second.

Readings are lines of gzip NDJSON under `readings/v1/`; windows are lines of UTF-8 JSON in Kinesis
records, possibly gzip. A line that is neither counts as bad and as nothing else.
"""

import gzip
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from localcore.cloud.clients import AwsClients

READINGS_PREFIX: Final = "readings/v1/"
_GZIP_MAGIC: Final = b"\x1f\x8b"
# Absent buckets and data streams are empty: whoever creates them may not have come yet.
_ABSENT: Final = frozenset({"NoSuchBucket", "ResourceNotFoundException"})

Run = tuple[int, int]
Key = TypeVar("Key")
Source = tuple[str, str, str]


class ReadingKey(msgspec.Struct, frozen=True):
    """What makes a reading the same reading."""

    thing: str
    device_id: str
    boot: str
    seq: int


class WindowKey(msgspec.Struct, frozen=True):
    """What makes a window the same window."""

    thing: str
    device_id: str
    boot: str
    first_seq: int


@dataclass(frozen=True, slots=True)
class CloudCounts:
    """The figures at the far end; `s3_keys` and `kinesis_windows` count distinct ones."""

    s3_objects: int = 0
    s3_readings: int = 0
    s3_keys: int = 0
    s3_bytes: int = 0
    kinesis_records: int = 0
    kinesis_windows: int = 0
    kinesis_bytes: int = 0
    bad_lines: int = 0
    devices: dict[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """What is kept in the cloud, in all."""
        return self.s3_bytes + self.kinesis_bytes


@dataclass(slots=True)
class _Object:
    etag: str
    size_bytes: int
    bad_lines: int
    rows: Counter[str]
    runs: dict[Source, list[Run]]


class CloudContents:
    """Counts a bucket's readings and a data stream's windows, again and again."""

    def __init__(
        self,
        endpoint_url: str | None,
        bucket: str,
        kinesis_stream: str | None = None,
        region: str = "us-east-1",
    ):
        self._clients = AwsClients(endpoint_url, region)
        self._bucket = bucket
        self._kinesis_stream = kinesis_stream
        self._objects: dict[str, _Object] = {}
        self._keys = 0
        self._iterators: dict[str, str] = {}
        self._windows: set[WindowKey] = set()
        self._records = 0
        self._record_bytes = 0
        self._bad_records = 0

    def refresh(self) -> CloudCounts:
        """Read what is new and count everything.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: no answer, or a refusal.
        """
        if self._refresh_objects():
            self._keys = distinct(found.runs for found in self._objects.values())
        if self._kinesis_stream is not None:
            self._refresh_records(self._kinesis_stream)
        rows: Counter[str] = Counter()
        for found in self._objects.values():
            rows.update(found.rows)
        return CloudCounts(
            s3_objects=len(self._objects),
            s3_readings=rows.total(),
            s3_keys=self._keys,
            s3_bytes=sum(found.size_bytes for found in self._objects.values()),
            kinesis_records=self._records,
            kinesis_windows=len(self._windows),
            kinesis_bytes=self._record_bytes,
            bad_lines=self._bad_records + sum(found.bad_lines for found in self._objects.values()),
            devices=dict(sorted(rows.items())),
        )

    def _refresh_objects(self) -> bool:
        """Whether anything changed."""
        listed = {item["Key"]: item for item in _unless_absent(self._list_objects())}
        gone = self._objects.keys() - listed.keys()
        for key in gone:
            del self._objects[key]
        changed = bool(gone)
        for key, item in listed.items():
            known = self._objects.get(key)
            if known is None or known.etag != item["ETag"]:
                self._objects[key] = self._read_object(key)
                changed = True
        return changed

    def _list_objects(self) -> Iterator[dict[str, Any]]:
        paginator = self._clients.get("s3").get_paginator("list_objects_v2")
        for page in paginator.paginate(Bucket=self._bucket, Prefix=READINGS_PREFIX):
            yield from page.get("Contents", ())

    def _read_object(self, key: str) -> _Object:
        answer = self._clients.get("s3").get_object(Bucket=self._bucket, Key=key)
        body = answer["Body"].read()
        rows: Counter[str] = Counter()
        numbers: defaultdict[Source, list[int]] = defaultdict(list)
        bad_lines = 0
        for reading in _decoded(body, ReadingKey):
            if reading is None:
                bad_lines += 1
                continue
            rows[reading.device_id] += 1
            numbers[reading.thing, reading.device_id, reading.boot].append(reading.seq)
        runs = {source: runs_of((seq, seq) for seq in seqs) for source, seqs in numbers.items()}
        return _Object(answer["ETag"], len(body), bad_lines, rows, runs)

    def _refresh_records(self, name: str) -> None:
        for shard in _unless_absent(self._list_shards(name)):
            self._read_shard(name, shard["ShardId"])

    def _list_shards(self, name: str) -> Iterator[dict[str, Any]]:
        yield from (
            self._clients.get("kinesis")
            .get_paginator("list_shards")
            .paginate(StreamName=name)
            .search("Shards")
        )

    def _read_shard(self, name: str, shard: str) -> None:
        kinesis = self._clients.get("kinesis")
        if shard not in self._iterators:
            self._iterators[shard] = kinesis.get_shard_iterator(
                StreamName=name, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
        while self._iterators[shard]:
            answer = kinesis.get_records(ShardIterator=self._iterators[shard])
            # A closed shard has no next iterator: it is read to its end.
            self._iterators[shard] = answer.get("NextShardIterator") or ""
            for record in answer["Records"]:
                self._count_record(record["Data"])
            if not answer["Records"]:
                return

    def _count_record(self, data: bytes) -> None:
        self._records += 1
        self._record_bytes += len(data)
        for window in _decoded(data, WindowKey):
            if window is None:
                self._bad_records += 1
            else:
                self._windows.add(window)


def count_readings(
    endpoint_url: str | None,
    bucket: str,
    kinesis_stream: str | None = None,
    region: str = "us-east-1",
) -> CloudCounts:
    """Count everything once."""
    return CloudContents(endpoint_url, bucket, kinesis_stream, region).refresh()


def runs_of(spans: Iterable[Run]) -> list[Run]:
    """The fewest inclusive runs that hold exactly these numbers.

    >>> runs_of([(4, 4), (1, 2), (3, 3), (9, 9), (2, 3)])
    [(1, 4), (9, 9)]
    """
    runs: list[Run] = []
    for first, last in sorted(spans):
        if runs and first <= runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], max(last, runs[-1][1]))
        else:
            runs.append((first, last))
    return runs


def distinct(runs_by_source: Iterable[dict[Source, list[Run]]]) -> int:
    """How many different numbers there are, source by source.

    >>> device = ("thing", "hat-1", "boot")
    >>> distinct([{device: [(1, 3)]}, {device: [(3, 4)]}])
    4
    """
    spans: defaultdict[Source, list[Run]] = defaultdict(list)
    for runs in runs_by_source:
        for source, found in runs.items():
            spans[source] += found
    return sum(last - first + 1 for found in spans.values() for first, last in runs_of(found))


def _decoded(data: bytes, shape: type[Key]) -> Iterator[Key | None]:
    """Each line as its key, or None where it is not one."""
    try:
        text = gzip.decompress(data) if data.startswith(_GZIP_MAGIC) else data
    except (OSError, EOFError, zlib.error):
        yield None
        return
    decoder = msgspec.json.Decoder(shape)
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError:
            yield None


def _unless_absent(items: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        return list(items)
    except Exception as error:
        # botocore is imported late, so its exception is recognised by what it carries.
        answer = getattr(error, "response", None)
        if isinstance(answer, dict) and answer.get("Error", {}).get("Code") in _ABSENT:
            return []
        raise
