"""The log: numbers, segments, reopening, against a plain list as second opinion."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from localcore.streams.message_log import ExportProgress, MessageLog, size_of

SEGMENT_BYTES = 200


def append(log: MessageLog, payload: bytes, now_ms: int = 0, *, flush: bool = False) -> int:
    return log.append(payload, now_ms, segment_bytes=SEGMENT_BYTES, flush=flush)


def numbers(log: MessageLog) -> list[int]:
    return [message.sequence_number for message in log.read(0, 1000, 1 << 20)]


def test_messages_are_read_in_order_from_a_number_on() -> None:
    log = MessageLog(None)
    for index in range(5):
        append(log, bytes([index]), now_ms=index)
    assert [(m.sequence_number, m.ingest_ms, m.payload) for m in log.read(2, 2, 1 << 20)] == [
        (2, 2, b"\x02"),
        (3, 3, b"\x03"),
    ]
    log.close()


def test_a_read_stops_at_its_bytes_but_gives_one_message_at_least() -> None:
    log = MessageLog(None)
    for _ in range(3):
        append(log, bytes(50))
    assert len(log.read(0, 3, 100)) == 2
    assert len(log.read(0, 3, 10)) == 1
    log.close()


def test_dropping_the_only_segment_keeps_the_numbers_growing_across_a_restart(
    tmp_path: Path,
) -> None:
    log = MessageLog(tmp_path / "log")
    append(log, b"a")
    log.drop_oldest_segment()
    assert (log.oldest, log.newest, log.size_bytes) == (1, 0, 0)
    log.close()
    log = MessageLog(tmp_path / "log")
    assert (log.oldest, log.newest) == (1, 0)
    assert append(log, b"b") == 1
    log.close()


def test_the_progress_of_exports_is_remembered_and_forgotten(tmp_path: Path) -> None:
    log = MessageLog(tmp_path / "log")
    progress = ExportProgress(7, 1_000, "no network", 70, 8)
    log.save_export("kinesis", progress)
    log.save_export("s3", ExportProgress(-1))
    log.forget_export("s3")
    log.close()
    log = MessageLog(tmp_path / "log")
    assert log.exports() == {"kinesis": progress}
    log.close()


actions = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 150)),
        st.tuples(st.just("flush"), st.integers(1, 150)),
        st.tuples(st.just("drop"), st.just(0)),
        st.tuples(st.just("reopen"), st.just(0)),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=60)
@given(actions)
def test_the_log_does_what_a_list_of_lists_does(tmp_path_factory, todo) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp("log") / "log"
    log = MessageLog(path)
    segments: list[list[tuple[int, int]]] = [[]]
    count = 0
    for action, size in todo:
        if action == "reopen":
            log.close()
            log = MessageLog(path)
        elif action == "drop":
            if len(segments) == 1:
                segments.append([])
            segments.pop(0)
            log.drop_oldest_segment()
        else:
            stored = size_of(bytes(size))
            if segments[-1] and sum(s for _, s in segments[-1]) + stored > SEGMENT_BYTES:
                segments.append([])
            segments[-1].append((count, stored))
            assert append(log, bytes(size), flush=action == "flush") == count
            count += 1
        kept = [message for segment in segments for message in segment]
        assert numbers(log) == [number for number, _ in kept]
        assert log.size_bytes == sum(stored for _, stored in kept)
        assert log.newest == count - 1
    log.close()
