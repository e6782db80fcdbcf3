"""One upload of one file to S3, as an `S3ExportTaskDefinition` says. Blocks; runs in a thread.

The key may hold `!{timestamp:PATTERN}`: the time of the upload in UTC, PATTERN as Java's
DateTimeFormatter has it (the letters of the table below).

>>> resolved_key("a/!{timestamp:yyyy}/!{timestamp:MM-dd}/b", 1_609_419_600_000)
'a/2020/12-31/b'
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import unquote, urlsplit

from localcore.streams.shapes import S3ExportTaskDefinition

# The stream manager's smallest part, and S3's: 10,000 parts at most.
_PART_BYTES: Final = 5 * 1024 * 1024
_MOST_PARTS: Final = 10_000
_RESERVED_METADATA_PREFIX: Final = "$aws-gg-"

_PLACEHOLDER: Final = re.compile(r"!\{([^}:]*):?([^}]*)\}")
_LETTERS: Final = {
    "yyyy": "%Y",
    "uuuu": "%Y",
    "YYYY": "%G",
    "yy": "%y",
    "MM": "%m",
    "MMM": "%b",
    "MMMM": "%B",
    "dd": "%d",
    "DDD": "%j",
    "HH": "%H",
    "hh": "%I",
    "mm": "%M",
    "ss": "%S",
    "a": "%p",
    "EEE": "%a",
    "EEEE": "%A",
}


class TaskError(Exception):
    """The task can never succeed as it is."""


def upload(
    client: Callable[[], Any],
    task: S3ExportTaskDefinition,
    now_ms: int,
    multipart_over_bytes: int,
) -> None:
    """Upload the file, in parts when it is larger than `multipart_over_bytes`.

    Raises:
        TaskError: the task names no readable file or no usable key.
        Exception: whatever the SDK raises.
    """
    path = local_path(task.input_url)
    parameters: dict[str, Any] = {"Bucket": task.bucket, "Key": resolved_key(task.key, now_ms)}
    if task.user_metadata:
        reserved = [k for k in task.user_metadata if k.startswith(_RESERVED_METADATA_PREFIX)]
        if reserved:
            raise TaskError(f"userMetadata {reserved[0]!r}: that prefix is reserved")
        parameters["Metadata"] = task.user_metadata
    try:
        file = path.open("rb")
        size_bytes = path.stat().st_size
    except OSError as error:
        raise TaskError(f"cannot read {path}: {error.strerror}") from error
    with file:
        if size_bytes <= multipart_over_bytes:
            client().put_object(**parameters, Body=file)
        else:
            _upload_parts(client(), parameters, file, size_bytes)


def _upload_parts(
    client: Any, parameters: dict[str, Any], file: IO[bytes], size_bytes: int
) -> None:
    part_bytes = max(_PART_BYTES, -(-size_bytes // _MOST_PARTS))
    where = {"Bucket": parameters["Bucket"], "Key": parameters["Key"]}
    upload_id = client.create_multipart_upload(**parameters)["UploadId"]
    try:
        parts = [
            {
                "PartNumber": number,
                "ETag": client.upload_part(
                    **where, UploadId=upload_id, PartNumber=number, Body=part
                )["ETag"],
            }
            for number, part in enumerate(_pieces(file, part_bytes), 1)
        ]
        client.complete_multipart_upload(
            **where, UploadId=upload_id, MultipartUpload={"Parts": parts}
        )
    except Exception as error:
        # The parts that were sent cost money until they are removed.
        try:
            client.abort_multipart_upload(**where, UploadId=upload_id)
        except Exception as second:  # noqa: BLE001 - the first error decides what happens next
            error.add_note(f"and the parts of upload {upload_id} were not removed: {second}")
        raise


def _pieces(file: IO[bytes], size_bytes: int) -> Iterator[bytes]:
    while piece := file.read(size_bytes):
        yield piece


def local_path(url: str) -> Path:
    """The file that a `file:` URL names.

    Raises:
        TaskError: it is another kind of URL, or names another host.

    >>> local_path("file:///a/b%20c"), local_path("file:/a")
    (PosixPath('/a/b c'), PosixPath('/a'))
    """
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or not parts.path:
        raise TaskError(f"inputUrl {url!r} is not the URL of a local file: use file:///path")
    return Path(unquote(parts.path))


def resolved_key(key: str, now_ms: int) -> str:
    """The key with its placeholders filled.

    Raises:
        TaskError: a placeholder is unknown.
    """
    now = datetime.fromtimestamp(now_ms / 1000, UTC)

    def fill(found: re.Match[str]) -> str:
        kind, pattern = found.groups()
        if kind != "timestamp" or not pattern:
            raise TaskError(f"key {key!r}: {found[0]} is unknown; use !{{timestamp:PATTERN}}")
        return re.sub(r"([A-Za-z])\1*", lambda run: _formatted(now, run[0], key), pattern)

    return _PLACEHOLDER.sub(fill, key)


def _formatted(now: datetime, letters: str, key: str) -> str:
    try:
        return now.strftime(_LETTERS[letters])
    except KeyError:
        known = ", ".join(_LETTERS)
        raise TaskError(f"key {key!r}: timestamp {letters!r} is none of {known}") from None
