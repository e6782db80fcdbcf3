"""The configuration of every component, with a time on every leaf, kept across crashes.

Everything happens in one thread, the event loop's. A change is in the log (see `transaction_log`)
before the call that made it returns, so a kill of the daemon loses nothing. Subscribers are told
when the whole transaction is done, and only of real changes: a leaf with a new value, or
something removed.

Beside the configurations the store keeps `records`, JSON values by name, in the same
transactions: what is deployed and the state of deployments, so that a deployment takes effect
entirely or not at all.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from localcore import config_tree
from localcore.config_tree import AddBranch, Branch, Change, Dump, JsonValue, Remove, SetLeaf
from localcore.errors import DeploymentError, StaleUpdateError
from localcore.transaction_log import TransactionLog

__all__ = ["ConfigStore", "JsonValue", "split_pointer"]

Callback: TypeAlias = Callable[[str, list[str]], None]

# Recipe defaults come from the dawn of time, so they never replace a value on the device (the Java
# nucleus merges them with the same timestamp).
DEFAULTS_MS = 1.0
# The log is rewritten when it is this many times its last snapshot; below the floor it never is,
# a few hundred thousand bytes are read in a millisecond.
COMPACT_FACTOR = 4
COMPACT_FLOOR_BYTES = 256 * 1024


class ConfigStore:
    """Configurations and records in ``folder``; ``now_ms`` is the wall clock in milliseconds."""

    def __init__(self, folder: Path, now_ms: Callable[[], float] | None = None) -> None:
        self._now_ms = now_ms or (lambda: time.time() * 1000)
        self._trees: dict[str, Branch] = {}
        self._records: dict[str, JsonValue] = {}
        self._subscriptions: dict[str, dict[int, tuple[tuple[str, ...], Callback]]] = {}
        self._next_subscription = 0
        self._pending: list[list[Any]] = []
        self._changed: list[tuple[str, Change]] = []
        self._depth = 0
        self._log = TransactionLog(folder / "config.tlog")
        for transaction in self._log.transactions():
            for operation in transaction:
                self._replay(operation)
        self._snapshot_bytes = self._log.size_bytes

    # -- configuration, as the IPC operations see it

    def components(self) -> list[str]:
        """The names of all components that have a configuration, be it empty."""
        return list(self._trees)

    def get(self, component: str, key_path: Sequence[str] = ()) -> JsonValue:
        """A copy of the value at the path, the whole map at (); KeyError when absent."""
        tree = self._trees.get(component)
        node = None if tree is None else config_tree.find(tree, key_path)
        if node is None:
            raise KeyError("/".join([component, *key_path]))
        return config_tree.plain(node)

    def update(
        self, component: str, key_path: Sequence[str], value: JsonValue, timestamp_ms: float
    ) -> None:
        """Merge ``value`` at the path, as UpdateConfiguration of the Java nucleus does.

        Leaves that are newer than ``timestamp_ms`` stay. When one of them was in the way, the
        others are merged all the same and StaleUpdateError is raised. A path that did not exist
        is created with the present time. KeyError when the component has no configuration;
        ValueError for a value that is not a map at the empty path.
        """
        tree = self._trees[component]
        node = config_tree.find(tree, key_path)
        if node is None:
            timestamp_ms = self._now_ms()
        changes: list[Change] = []
        wrapped = _wrapped(tuple(key_path), value)
        with self.transaction():
            config_tree.merge(tree, wrapped, timestamp_ms, changes)
            self._note(component, changes)
        updated = config_tree.find(tree, key_path)
        if updated is not None and timestamp_ms < config_tree.modified_ms(updated):
            raise StaleUpdateError(
                "Proposed timestamp is older than the config's latest modified timestamp"
            )

    def subscribe(
        self, component: str, key_path: Sequence[str], callback: Callback
    ) -> Callable[[], None]:
        """Call ``callback(component, changed key path)`` for changes at, below or above the path.

        The path need not exist. Returns the function that ends the subscription; it may be called
        again.
        """
        number = self._next_subscription
        self._next_subscription += 1
        folded = tuple(name.lower() for name in key_path)
        subscriptions = self._subscriptions.setdefault(component, {})
        subscriptions[number] = (folded, callback)

        def unsubscribe() -> None:
            subscriptions.pop(number, None)

        return unsubscribe

    # -- what deployments do

    def resolve(
        self,
        component: str,
        defaults: Mapping[str, JsonValue],
        merge: Mapping[str, JsonValue] | None = None,
        reset: Sequence[str] = (),
    ) -> dict[str, JsonValue]:
        """The configuration a deployment would give, without changing anything.

        In the Java nucleus's order: what is on the device, less what is reset, then the recipe's
        defaults where nothing is, then the merge. ``reset`` holds JSON pointers; "" is everything.
        """
        current = self._trees.get(component)
        tree = Branch() if current is None else config_tree.load(config_tree.dump(current))
        if not isinstance(tree, Branch):
            raise TypeError(f"the configuration of {component} is not a map")
        ignored: list[Change] = []
        config_tree.reset(tree, [split_pointer(pointer) for pointer in reset], ignored)
        config_tree.merge(tree, defaults, DEFAULTS_MS, ignored)
        config_tree.merge(tree, merge or {}, max(self._now_ms(), DEFAULTS_MS), ignored)
        resolved = config_tree.plain(tree)
        return resolved if isinstance(resolved, dict) else {}

    def replace(self, component: str, value: Mapping[str, JsonValue], timestamp_ms: float) -> None:
        """Make ``value`` the configuration. Leaves newer than ``timestamp_ms`` keep their value."""
        with self.transaction():
            tree = self._trees.get(component)
            if tree is None:
                tree = self._trees[component] = Branch()
                self._pending.append(["c", component])
            changes: list[Change] = []
            config_tree.merge(tree, value, timestamp_ms, changes, replace=True)
            self._note(component, changes)

    def remove(self, component: str) -> None:
        """Forget the component's configuration, if it has one."""
        with self.transaction():
            if self._trees.pop(component, None) is not None:
                self._pending.append(["d", component])

    def dump(self, component: str) -> Dump | None:
        """The configuration with its times, for ``restore``; None when there is none."""
        tree = self._trees.get(component)
        return None if tree is None else config_tree.dump(tree)

    def restore(self, component: str, dumped: Dump) -> None:
        """Put back what ``dump`` gave, newer values and times notwithstanding."""
        tree = config_tree.load(dumped)
        if not isinstance(tree, Branch):
            raise TypeError(f"the saved configuration of {component} is not a map")
        before = self._trees.get(component, Branch())
        with self.transaction():
            self._trees[component] = tree
            self._pending.append(["t", component, dumped])
            self._changed.extend((component, change) for change in _differences(before, tree))

    # -- records

    def record(self, name: str) -> JsonValue:
        """The record of that name, None when there is none."""
        return self._records.get(name)

    def records(self, prefix: str) -> dict[str, JsonValue]:
        """All records whose name begins with ``prefix``, oldest first."""
        return {name: value for name, value in self._records.items() if name.startswith(prefix)}

    def set_record(self, name: str, value: JsonValue) -> None:
        """Keep a JSON value under a name; None removes it."""
        with self.transaction():
            self._set_record(name, value)
            self._pending.append(["k", name, value])

    # -- keeping

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Changes made inside reach the disk together or not at all, and are told afterwards."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._commit()

    def sync(self) -> None:
        """Return when everything is on the disk, safe from a power cut."""
        self._log.sync()

    def close(self) -> None:
        """Sync and close; may be called again."""
        self._log.close()

    def _commit(self) -> None:
        pending, self._pending = self._pending, []
        changed, self._changed = self._changed, []
        if pending:
            self._log.append(pending)
            if self._log.size_bytes > max(
                COMPACT_FLOOR_BYTES, COMPACT_FACTOR * self._snapshot_bytes
            ):
                self._log.rewrite(self._snapshot())
                self._snapshot_bytes = self._log.size_bytes
        for component, change in changed:
            self._tell(component, change)

    def _snapshot(self) -> list[Any]:
        trees = [["t", name, config_tree.dump(tree)] for name, tree in self._trees.items()]
        return [*trees, *(["k", name, value] for name, value in self._records.items())]

    def _note(self, component: str, changes: list[Change]) -> None:
        for change in changes:
            match change:
                case SetLeaf(path, value, modified_ms, changed):
                    self._pending.append(["s", component, path, value, modified_ms])
                    if changed:
                        self._changed.append((component, change))
                case AddBranch(path):
                    self._pending.append(["b", component, path])
                case Remove(path):
                    self._pending.append(["r", component, path])
                    self._changed.append((component, change))

    def _tell(self, component: str, change: Change) -> None:
        folded = tuple(name.lower() for name in change.path)
        for watched, callback in list(self._subscriptions.get(component, {}).values()):
            shared = min(len(watched), len(folded))
            if watched[:shared] == folded[:shared]:
                callback(component, list(change.path))

    def _replay(self, operation: list[Any]) -> None:
        match operation:
            case ["s", component, path, value, modified_ms]:
                change = SetLeaf(tuple(path), value, float(modified_ms), changed=True)
                config_tree.apply(self._trees.setdefault(component, Branch()), change)
            case ["b", component, path]:
                tree = self._trees.setdefault(component, Branch())
                config_tree.apply(tree, AddBranch(tuple(path)))
            case ["r", component, path]:
                tree = self._trees.setdefault(component, Branch())
                config_tree.apply(tree, Remove(tuple(path)))
            case ["c", component]:
                self._trees[component] = Branch()
            case ["d", component]:
                self._trees.pop(component, None)
            case ["t", component, dumped]:
                tree_or_leaf = config_tree.load(dumped)
                if isinstance(tree_or_leaf, Branch):
                    self._trees[component] = tree_or_leaf
            case ["k", name, value]:
                self._set_record(name, value)

    def _set_record(self, name: str, value: JsonValue) -> None:
        if value is None:
            self._records.pop(name, None)
        else:
            self._records[name] = value


def split_pointer(pointer: str) -> tuple[str, ...]:
    """The key path of a JSON pointer (RFC 6901).

    >>> split_pointer("/devices/hat~11"), split_pointer("")
    (('devices', 'hat/1'), ())
    """
    if not pointer:
        return ()
    if not pointer.startswith("/"):
        raise DeploymentError(
            f"{pointer!r} is not a JSON pointer: it must be empty or begin with '/', as '/key/sub'"
        )
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))


def _wrapped(path: tuple[str, ...], value: JsonValue) -> dict[str, JsonValue]:
    for name in reversed(path):
        value = {name: value}
    if not isinstance(value, dict):
        raise ValueError(f"a whole configuration is a map, not {value!r}")  # noqa: TRY004 (a wrong value)
    return value


def _differences(before: Branch, after: Branch) -> Iterator[Change]:
    old = dict(config_tree.leaves(before))
    new = dict(config_tree.leaves(after))
    for path, leaf in new.items():
        if path not in old or old[path].value != leaf.value:
            yield SetLeaf(path, leaf.value, leaf.modified_ms, changed=True)
    for path in old.keys() - new.keys():
        yield Remove(path)
