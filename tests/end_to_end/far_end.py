"""The far end, read with boto3, gzip and json alone: what is really in S3 and in Kinesis."""

import gzip
import json
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from workbench.run.deployment import BUCKET, KINESIS_STREAM

Line = dict[str, Any]
Key = tuple[str, str, str, int]


class FarEnd:
    """The embedded cloud of a run's root."""

    def __init__(self, root: Path) -> None:
        url = json.loads((root / "cloud" / "endpoint.json").read_text())["url"]
        settings = {
            "endpoint_url": url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "config": Config(connect_timeout=60, read_timeout=60),
        }
        self._s3 = boto3.client("s3", **settings)
        self._kinesis = boto3.client("kinesis", **settings)

    def __enter__(self) -> "FarEnd":
        return self

    def __exit__(self, *_: object) -> None:
        self._s3.close()
        self._kinesis.close()

    def readings(self) -> list[Line]:
        """Every line of every object; each must lie in the partition of its own date."""
        lines = []
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            for item in page.get("Contents", ()):
                body = self._s3.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
                for text in gzip.decompress(body).splitlines():
                    line = json.loads(text)
                    day = datetime.fromtimestamp(line["time_s"], UTC).strftime("%Y-%m-%d")
                    assert f"/date={day}/thing={line['thing']}/" in item["Key"]
                    lines.append(line)
        return lines

    def windows(self) -> list[Line]:
        """Every window of every record."""
        lines = []
        for shard in self._kinesis.list_shards(StreamName=KINESIS_STREAM)["Shards"]:
            iterator = self._kinesis.get_shard_iterator(
                StreamName=KINESIS_STREAM,
                ShardId=shard["ShardId"],
                ShardIteratorType="TRIM_HORIZON",
            )["ShardIterator"]
            while iterator:
                answer = self._kinesis.get_records(ShardIterator=iterator)
                if not answer["Records"]:
                    break
                for record in answer["Records"]:
                    lines += [json.loads(text) for text in record["Data"].splitlines()]
                iterator = answer.get("NextShardIterator")
        return lines


def key(line: Line) -> Key:
    """What makes a reading the same reading."""
    return line["thing"], line["device_id"], line["boot"], line["seq"]


def produced(root: Path) -> dict[tuple[str, str], int]:
    """How many readings the rings say were produced, by device and boot.

    The rings lie below the root, and their format is in read_sense_hat.ring's docstring. Only the
    boot of the last life is there.
    """
    found = {}
    rings = root / "work" / "com.hbs.hub.ReadSenseHAT" / "volatile"
    for folder in (path for path in rings.iterdir() if path.is_dir()):
        try:
            boot = json.loads((folder / "life.json").read_bytes())["boot"]
        except FileNotFoundError:
            continue  # it is just being made
        found[folder.name, boot] = max(_end(path) for path in folder.glob("*.ring"))
    return found


def _end(path: Path) -> int:
    data, offset, end = path.read_bytes(), 16, 0
    while offset + 20 <= len(data):
        length, _, first, count = struct.unpack_from("<IIQI", data, offset)
        offset += 20 + length
        if offset <= len(data):
            end = first + count
    return end
