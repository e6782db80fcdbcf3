"""The configuration store: merge rules in tables, subscriptions, and what survives a crash."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcore.config_store import ConfigStore, split_pointer
from localcore.errors import DeploymentError, StaleUpdateError

DEVICE_MS = 1000.0


@pytest.fixture
def store(tmp_path: Path) -> ConfigStore:
    return ConfigStore(tmp_path, lambda: 5000.0)


def device(store: ConfigStore, value: dict[str, Any]) -> ConfigStore:
    store.replace("x", value, DEVICE_MS)
    return store


@pytest.mark.parametrize(
    ("key_path", "value", "timestamp_ms", "expected"),
    [
        ([], {"a": 2}, 2000, {"a": 2, "m": {"b": 1}}),
        ([], {"a": 2}, 1000, {"a": 2, "m": {"b": 1}}),
        ([], {"new": 3}, 2000, {"a": 1, "m": {"b": 1}, "new": 3}),
        (["m"], {"b": 2, "c": 3}, 2000, {"a": 1, "m": {"b": 2, "c": 3}}),
        (["M"], {"B": 2}, 2000, {"a": 1, "m": {"b": 2}}),
        (["a"], 7, 2000, {"a": 7, "m": {"b": 1}}),
        (["m", "b"], {"deep": 1}, 2000, {"a": 1, "m": {"b": {"deep": 1}}}),
        (["m"], "leaf over map", 2000, {"a": 1, "m": "leaf over map"}),
        (["new", "path"], {"z": 1}, 2000, {"a": 1, "m": {"b": 1}, "new": {"path": {"z": 1}}}),
        ([], {"m": [1, 2]}, 2000, {"a": 1, "m": [1, 2]}),
    ],
)
def test_an_update_merges_like_the_java_nucleus(
    store: ConfigStore, key_path: list[str], value: Any, timestamp_ms: float, expected: Any
) -> None:
    device(store, {"a": 1, "m": {"b": 1}}).update("x", key_path, value, timestamp_ms)
    assert store.get("x") == expected


def test_an_older_update_changes_only_older_leaves_and_says_so(store: ConfigStore) -> None:
    device(store, {"a": 1})
    store.update("x", [], {"late": 1}, 3000)
    with pytest.raises(StaleUpdateError, match="older than the config's latest"):
        store.update("x", [], {"a": 2, "late": 2}, 2000)
    assert store.get("x") == {"a": 2, "late": 1}


def test_a_path_that_did_not_exist_takes_the_present_time(store: ConfigStore) -> None:
    device(store, {}).update("x", ["fresh"], {"a": 1}, 1.0)
    with pytest.raises(StaleUpdateError):
        store.update("x", ["fresh"], {"a": 2}, 4999)
    assert store.get("x", ["fresh", "a"]) == 1


def test_the_whole_configuration_cannot_become_a_leaf(store: ConfigStore) -> None:
    with pytest.raises(ValueError, match="is a map"):
        device(store, {}).update("x", [], 5, 2000)


def test_an_unknown_component_or_key_is_a_key_error(store: ConfigStore) -> None:
    with pytest.raises(KeyError):
        store.get("x")
    with pytest.raises(KeyError):
        device(store, {"a": 1}).get("x", ["a", "b"])


@pytest.mark.parametrize(
    ("merge", "reset", "expected"),
    [
        ({}, [], {"a": 1, "m": {"b": 1, "d": 9}, "d": 9}),
        ({"a": 5}, [], {"a": 5, "m": {"b": 1, "d": 9}, "d": 9}),
        ({}, ["/a"], {"a": 0, "m": {"b": 1, "d": 9}, "d": 9}),
        ({}, ["/m"], {"a": 1, "m": {"b": 0, "d": 9}, "d": 9}),
        ({}, ["/m/b"], {"a": 1, "m": {"b": 0, "d": 9}, "d": 9}),
        ({}, ["/absent/key"], {"a": 1, "m": {"b": 1, "d": 9}, "d": 9}),
        ({}, [""], {"a": 0, "m": {"b": 0, "d": 9}, "d": 9}),
        ({"m": {"b": 7}}, [""], {"a": 0, "m": {"b": 7, "d": 9}, "d": 9}),
    ],
)
def test_a_deployment_resets_then_fills_in_defaults_then_merges(
    store: ConfigStore, merge: dict[str, Any], reset: list[str], expected: Any
) -> None:
    device(store, {"a": 1, "m": {"b": 1}})
    defaults: dict[str, Any] = {"a": 0, "m": {"b": 0, "d": 9}, "d": 9}
    assert store.resolve("x", defaults, merge, reset) == expected
    assert store.get("x") == {"a": 1, "m": {"b": 1}}, "resolving changes nothing"


def test_a_replacement_removes_what_it_does_not_name_and_keeps_what_is_newer(
    store: ConfigStore,
) -> None:
    device(store, {"gone": 1, "old": 1, "m": {"gone": 1, "old": 1}})
    store.update("x", ["m"], {"newer": 1}, 9000)
    store.replace("x", {"old": 2, "m": {"old": 2, "newer": 2}}, 2000)
    assert store.get("x") == {"old": 2, "m": {"old": 2, "newer": 1}}


def test_a_restored_configuration_is_what_it_was_times_included(store: ConfigStore) -> None:
    device(store, {"a": 1})
    saved = store.dump("x")
    assert saved is not None
    store.update("x", [], {"a": 2, "b": 3}, 9000)
    store.restore("x", saved)
    store.update("x", [], {"a": 4}, 1001)
    assert store.get("x") == {"a": 4}


def test_subscribers_hear_of_changes_at_below_and_above_their_path(store: ConfigStore) -> None:
    device(store, {"a": 1, "m": {"b": 1}})
    heard: list[tuple[str, ...]] = []

    def hear(_component: str, path: list[str]) -> None:
        heard.append(tuple(path))

    stop = store.subscribe("x", ["M", "b"], hear)
    store.update("x", [], {"a": 2}, 2000)
    store.update("x", ["m"], {"b": 1}, 2000)
    assert heard == [], "neither a neighbour nor a mere new time"
    store.update("x", ["m"], {"b": 2}, 3000)
    store.update("x", [], {"m": "leaf"}, 4000)
    assert heard == [("m", "b"), ("m",), ("m",)]
    stop()
    stop()
    store.update("x", [], {"m": "other"}, 5000)
    assert len(heard) == 3


def test_names_with_an_underscore_in_front_are_the_nucleuss_own(store: ConfigStore) -> None:
    assert device(store, {"_private": 1, "a": 1}).get("x") == {"a": 1}


def test_a_pointer_without_a_slash_is_refused_with_the_remedy() -> None:
    with pytest.raises(DeploymentError, match="begin with '/'"):
        split_pointer("key")


# -- crashes


def changes(store: ConfigStore) -> list[Callable[[], None]]:
    return [
        lambda: store.replace("x", {"a": 1, "m": {"b": [1, "two"]}}, 10),
        lambda: store.update("x", ["m"], {"b": "ü"}, 20),
        lambda: store.set_record("deployed", {"plans": [1]}),
        lambda: store.replace("y", {}, 30),
        lambda: store.update("x", [], {"m": 5}, 40),
        lambda: store.remove("y"),
        lambda: store.set_record("deployed", None),
    ]


def picture(store: ConfigStore) -> Any:
    trees = {name: store.get(name) for name in store.components()}
    return trees, store.records("")


def test_a_log_cut_at_any_byte_opens_with_a_prefix_of_the_history(tmp_path: Path) -> None:
    written = ConfigStore(tmp_path / "written")
    history = [picture(written)]
    for change in changes(written):
        change()
        history.append(picture(written))
    content = (tmp_path / "written" / "config.tlog").read_bytes()
    reached = set()
    folder = tmp_path / "cut"
    folder.mkdir()
    for length in range(len(content) + 1):
        (folder / "config.tlog").write_bytes(content[:length])
        opened = ConfigStore(folder)
        found = picture(opened)
        assert found in history
        reached.add(history.index(found))
        opened.replace("after", {"the": "crash"}, 50)
        opened.close()
        again = ConfigStore(folder)
        assert again.get("after") == {"the": "crash"}, "what is written after a crash is kept"
        again.close()
    assert max(reached) >= len(history) - 2


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_byte_costs_what_follows_and_nothing_before(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    written = ConfigStore(folder)
    history = [picture(written)]
    for change in changes(written):
        change()
        history.append(picture(written))
    written.close()
    content = bytearray((folder / "config.tlog").read_bytes())
    content[position % len(content)] = value
    (folder / "config.tlog").write_bytes(content)
    opened = ConfigStore(folder)
    assert picture(opened) in history
    opened.close()


def test_a_long_history_is_compacted_and_reads_the_same(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    store.replace("x", {"text": ""}, 1)
    for number in range(600):
        store.update("x", [], {"text": f"{number:1000d}"}, 10 + number)
    before = picture(store)
    store.close()
    assert (tmp_path / "config.tlog").stat().st_size < 300_000
    assert picture(ConfigStore(tmp_path)) == before


def test_what_happens_in_one_transaction_is_one_line(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    heard: list[Any] = []
    store.subscribe("x", [], lambda *_: heard.append(store.record("deployed")))
    with store.transaction():
        store.replace("x", {"a": 1}, 10)
        store.set_record("deployed", "all")
    assert (tmp_path / "config.tlog").read_bytes().count(b"\n") == 1
    assert heard == ["all"], "subscribers see the whole transaction"
