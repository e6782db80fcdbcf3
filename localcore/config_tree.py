"""Configuration trees with a modification time on every leaf: no I/O and no clock.

The rules are those of the Java nucleus (its `Topics` and `Topic`). A leaf takes a new value
unless the update is older than the leaf. A map merged over a leaf, or a leaf over a map, replaces
it whatever the times say. Key names keep their spelling and are compared without regard to case.
Lists are leaves.

>>> root, changes = Branch(), []
>>> merge(root, {"rate": 5, "axes": {"x": True}}, 10.0, changes)
>>> merge(root, {"RATE": 6, "axes": {"x": False}}, 9.0, changes)    # older: ignored
>>> merge(root, {"axes": "none"}, 1.0, changes)                     # the shape changes: replaced
>>> plain(root)
{'rate': 5, 'axes': 'none'}
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

JsonValue: TypeAlias = bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
Dump: TypeAlias = dict[str, "Dump"] | list[JsonValue]


@dataclass(slots=True)
class Leaf:
    """A value that is not a map, and when it was set (milliseconds since 1970)."""

    name: str
    value: JsonValue
    modified_ms: float


@dataclass(slots=True)
class Branch:
    """A map; ``children`` is keyed by the lower-case name."""

    name: str = ""
    children: dict[str, "Branch | Leaf"] = field(default_factory=dict)


Node: TypeAlias = Branch | Leaf


class SetLeaf(NamedTuple):
    """A leaf has this value and time now; ``changed`` is False when only the time moved."""

    path: tuple[str, ...]
    value: JsonValue
    modified_ms: float
    changed: bool


class AddBranch(NamedTuple):
    """A map was added; nobody is told, as on the Java nucleus."""

    path: tuple[str, ...]


class Remove(NamedTuple):
    """A node and all below it is gone."""

    path: tuple[str, ...]


Change: TypeAlias = SetLeaf | AddBranch | Remove


def find(root: Branch, path: Sequence[str]) -> Node | None:
    """The node at the path, None where there is none."""
    node: Node = root
    for name in path:
        if not isinstance(node, Branch):
            return None
        child = node.children.get(name.lower())
        if child is None:
            return None
        node = child
    return node


def plain(node: Node) -> JsonValue:
    """A copy as plain JSON. Names that begin with an underscore are private to the nucleus."""
    if isinstance(node, Leaf):
        return _copied(node.value)
    return {
        child.name: plain(child)
        for child in node.children.values()
        if not child.name.startswith("_")
    }


def modified_ms(node: Node) -> float:
    """The latest time of any leaf at or below the node; 0 for an empty map."""
    if isinstance(node, Leaf):
        return node.modified_ms
    return max((modified_ms(child) for child in node.children.values()), default=0.0)


def merge(
    root: Branch,
    value: Mapping[str, JsonValue],
    timestamp_ms: float,
    changes: list[Change],
    *,
    replace: bool = False,
) -> None:
    """Merge a map into a tree, noting what changed.

    With ``replace``, nodes that the map does not name are removed, whatever their time.
    """
    _Merge(timestamp_ms, changes, replace).into(root, value, ())


def reset(root: Branch, pointers: Iterable[Sequence[str]], changes: list[Change]) -> None:
    """Remove the node at each path; the empty path removes everything. Absent nodes are fine."""
    for pointer in pointers:
        if not pointer:
            changes.extend(Remove((child.name,)) for child in root.children.values())
            root.children.clear()
            return
        parent = find(root, pointer[:-1])
        if isinstance(parent, Branch):
            removed = parent.children.pop(pointer[-1].lower(), None)
            if removed is not None:
                changes.append(Remove((*pointer[:-1], removed.name)))


def apply(root: Branch, change: Change) -> None:
    """Repeat a recorded change, whatever the times say: this is how a log is replayed."""
    parent = root
    for name in change.path[:-1]:
        child = parent.children.get(name.lower())
        if not isinstance(child, Branch):
            child = Branch(name)
            parent.children[name.lower()] = child
        parent = child
    name = change.path[-1]
    match change:
        case SetLeaf(value=value, modified_ms=modified):
            parent.children[name.lower()] = Leaf(name, value, modified)
        case AddBranch():
            parent.children[name.lower()] = Branch(name)
        case Remove():
            parent.children.pop(name.lower(), None)


def dump(node: Node) -> Dump:
    """The tree with its times as JSON: a map is a branch, a list of value and time is a leaf."""
    if isinstance(node, Leaf):
        return [_copied(node.value), node.modified_ms]
    return {child.name: dump(child) for child in node.children.values()}


def load(value: Dump, name: str = "") -> Node:
    """The inverse of ``dump``."""
    if isinstance(value, dict):
        children = {key.lower(): load(item, key) for key, item in value.items()}
        return Branch(name, children)
    leaf_value, modified = value
    if not isinstance(modified, int | float):
        raise TypeError(f"the time of {name!r} is {modified!r}, not a number of milliseconds")
    return Leaf(name, leaf_value, float(modified))


def leaves(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """Every leaf at or below the node, with its path."""
    if isinstance(node, Leaf):
        yield path, node
        return
    for child in node.children.values():
        yield from leaves(child, (*path, child.name))


@dataclass(slots=True)
class _Merge:
    timestamp_ms: float
    changes: list[Change]
    replace: bool

    def into(self, branch: Branch, value: Mapping[str, JsonValue], path: tuple[str, ...]) -> None:
        unnamed = set(branch.children) if self.replace else set()
        for name, item in value.items():
            unnamed.discard(name.lower())
            self._child(branch, name, item, path)
        gone = [key for key in branch.children if key in unnamed]
        self.changes.extend(Remove((*path, branch.children.pop(key).name)) for key in gone)

    def _child(self, branch: Branch, name: str, value: JsonValue, path: tuple[str, ...]) -> None:
        key = name.lower()
        child = branch.children.get(key)
        if child is not None and isinstance(child, Branch) != isinstance(value, dict):
            self.changes.append(Remove((*path, child.name)))
            del branch.children[key]
            child = None
        child_path = (*path, name if child is None else child.name)
        if isinstance(value, dict):
            if child is None:
                child = branch.children[key] = Branch(name)
                self.changes.append(AddBranch(child_path))
            if isinstance(child, Branch):
                self.into(child, value, child_path)
        elif isinstance(child, Leaf):
            self._leaf(child, value, child_path)
        else:
            leaf = branch.children[key] = Leaf(name, _copied(value), self.timestamp_ms)
            self.changes.append(SetLeaf(child_path, leaf.value, self.timestamp_ms, changed=True))

    def _leaf(self, leaf: Leaf, value: JsonValue, path: tuple[str, ...]) -> None:
        if self.timestamp_ms < leaf.modified_ms:
            return
        changed = not _same(leaf.value, value)
        if not changed and self.timestamp_ms == leaf.modified_ms:
            return
        leaf.value = _copied(value)
        leaf.modified_ms = self.timestamp_ms
        self.changes.append(SetLeaf(path, leaf.value, self.timestamp_ms, changed))


def _same(left: JsonValue, right: JsonValue) -> bool:
    """Equal, and of one type: True is not 1 and 1 is not 1.0, as in Java."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


def _copied(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value
