"""Shadow documents by their laws."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from localcore.config_store import ConfigStore
from localcore.shadow_document import ShadowDocument
from localcore.shadows import Shadows

VALUES = st.integers(-5, 5) | st.booleans() | st.text(max_size=2)
TREES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        VALUES | st.lists(VALUES, max_size=2),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=2),
        max_leaves=5,
    ),
    min_size=1,
)


def leaves(tree: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    if isinstance(tree, dict) and tree.keys() != {"timestamp"}:
        return set().union(*(leaves(item, (*path, name)) for name, item in tree.items()))
    return {path}


@given(TREES, TREES)
def test_reporting_the_delta_leaves_none(desired: Any, reported: Any) -> None:
    document = ShadowDocument()
    document.update({"desired": desired, "reported": reported}, 1)
    delta = document.delta()
    if delta is not None:
        document.update({"reported": delta}, 2)
    assert document.delta() is None


@given(TREES, TREES)
def test_every_value_has_a_time_and_nothing_else_has(first: Any, second: Any) -> None:
    document = ShadowDocument()
    document.update({"desired": first}, 1)
    document.update({"desired": second}, 2)
    assert leaves(document.desired_metadata) == leaves(document.desired)
    assert document.version == 2


@given(TREES)
def test_an_update_shares_nothing_with_the_request(tree: Any) -> None:
    document = ShadowDocument()
    document.update({"desired": tree}, 1)
    before = document.copy()
    tree.clear()
    assert document == before


def test_shadows_outlive_the_daemon(tmp_path: Path) -> None:
    store = ConfigStore(tmp_path)
    document = ShadowDocument()
    document.update({"desired": {"n": 1}}, 1)
    Shadows(store).put("hub", "led", document)
    store.close()
    again = ConfigStore(tmp_path)
    assert Shadows(again).get("hub", "led") == document
    assert Shadows(again).named("hub") == ["led"]
    again.close()
