"""YAML and JSON as nodes that know their lines: no I/O.

Both nuclei read a document into maps, lists and scalars; a linter must also say where they are,
and must see what a reader quietly drops: a key written twice, an alias, a merge key. Aliases are
kept as nodes of their own and never followed, so a document is never larger than its text.
"""

import bisect
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from localcore.config_tree import JsonValue

# Four times what the cloud takes; PyYAML needs about a second for so much.
MAX_BYTES = 64_000
# Deeper than both nuclei read: lite stops at 15 (GG_MAX_OBJECT_DEPTH of its SDK).
_MAX_DEPTH = 60

_ALIAS = "alias"
_YAML_KINDS = {
    _ALIAS: "alias",
    "tag:yaml.org,2002:bool": "boolean",
    "tag:yaml.org,2002:null": "null",
    "tag:yaml.org,2002:int": "number",
    "tag:yaml.org,2002:float": "number",
}
_TOKEN = re.compile(
    r"[ \t\r\n]*(?:(?P<mark>[{}\[\],:])"
    r'|(?P<string>"[^"\\\x00-\x1f]*(?:\\.[^"\\\x00-\x1f]*)*")'
    r"|(?P<number>-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)"
    r"|(?P<word>true|false|null)|(?P<end>\Z))"
)


class Unreadable(ValueError):  # noqa: N818 (a value error by its base)
    """The text is not a document. ``line`` counts from 1, None where it is not known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        self.reason = reason
        self.line = line
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Scalar:
    """``kind``: string, number, boolean, null; or alias, whose text is the anchor."""

    line: int
    text: str
    kind: str = "string"
    # A literal block: its text begins on the next line, and its lines are the file's.
    is_block: bool = False

    def line_at(self, offset: int) -> int:
        """The line of a character of the text; of folded and quoted texts their first."""
        return self.line + 1 + self.text.count("\n", 0, offset) if self.is_block else self.line


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a map and its value; ``line`` is the key's."""

    line: int
    key: str
    value: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """A map with its entries as written, a key written twice included."""

    line: int
    entries: tuple[Entry, ...]

    def find(self, name: str) -> Entry | None:
        """The entry of a key in any case, the exact one first."""
        exact = next((entry for entry in self.entries if entry.key == name), None)
        if exact is not None:
            return exact
        lower = name.lower()
        return next((entry for entry in self.entries if entry.key.lower() == lower), None)


Node: TypeAlias = Scalar | Sequence | Mapping


def read(source: str, suffix: str) -> Node:
    """The document in a text; ``suffix`` tells YAML from JSON.

    Raises:
        Unreadable: it is none, or too large or too deep to be looked at.
    """
    size = len(source.encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        raise Unreadable(f"{size:,} bytes: no recipe may have more than 16,000")
    return _Json(source).document() if suffix == ".json" else _yaml(source)


def plain(node: Node) -> JsonValue:
    """The value without lines; of a key written twice the last one, as the Java nucleus does."""
    if isinstance(node, Mapping):
        return {entry.key: plain(entry.value) for entry in node.entries}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    match node.kind:
        case "null":
            return None
        case "boolean":
            return node.text.lower() == "true"
        case "number":
            return _number(node.text)
    return node.text


def scalars(node: Node) -> Iterator[Scalar]:
    """Every value in a node that is no map or list."""
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from scalars(item)
    else:
        for entry in node.entries:
            yield from scalars(entry.value)


def mappings(node: Node) -> Iterator[Mapping]:
    """Every map in a node, itself included."""
    if isinstance(node, Mapping):
        yield node
        for entry in node.entries:
            yield from mappings(entry.value)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from mappings(item)


def _number(text: str) -> JsonValue:
    try:
        return int(text.replace("_", ""), 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def _yaml(source: str) -> Node:
    import yaml  # noqa: PLC0415 (takes 20 ms, and most commands need none)

    try:
        root = yaml.compose(source, Loader=_loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "it cannot be read"
        raise Unreadable(f"not YAML: {reason}", None if mark is None else mark.line + 1) from error
    except yaml.YAMLError as error:
        raise Unreadable(f"not YAML: {str(error).splitlines()[0]}") from error
    except RecursionError as error:
        raise _too_deep() from error
    if root is None:
        raise Unreadable("it is empty")
    return _from_yaml(root, 0)


@functools.cache
def _loader() -> Any:
    import yaml  # noqa: PLC0415

    from localcore.recipes.parse import yaml_loader  # noqa: PLC0415

    class AliasLoader(yaml_loader()):  # type: ignore[misc]  # PyYAML's loaders are untyped here
        """Leaves an alias where it stands instead of repeating the anchor's node."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                event = self.get_event()
                return yaml.ScalarNode(_ALIAS, event.anchor, event.start_mark, event.end_mark)
            return super().compose_node(parent, index)

    return AliasLoader


def _from_yaml(node: Any, depth: int) -> Node:
    import yaml  # noqa: PLC0415

    line = node.start_mark.line + 1
    if depth > _MAX_DEPTH:
        raise _too_deep(line)
    if isinstance(node, yaml.ScalarNode):
        kind = _YAML_KINDS.get(node.tag, "string")
        return Scalar(line, node.value, kind, is_block=node.style == "|")
    if isinstance(node, yaml.SequenceNode):
        return Sequence(line, tuple(_from_yaml(item, depth + 1) for item in node.value))
    return Mapping(
        line,
        tuple(
            Entry(
                key.start_mark.line + 1,
                key.value if isinstance(key, yaml.ScalarNode) else "?",
                _from_yaml(value, depth + 1),
            )
            for key, value in node.value
        ),
    )


def _too_deep(line: int | None = None) -> Unreadable:
    return Unreadable(f"nested deeper than {_MAX_DEPTH} levels; nucleus lite reads 15", line)


class _Json:
    """A reader of RFC 8259 that keeps lines, which `json` does not."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._breaks = [match.start() for match in re.finditer("\n", source)]

    def document(self) -> Node:
        if self._source.startswith("\ufeff"):
            raise Unreadable("not JSON: it begins with a byte order mark", 1)
        kind, text, line = self._next()
        if kind == "end":
            raise Unreadable("it is empty")
        root = self._value(kind, text, line, 0)
        kind, text, line = self._next()
        if kind != "end":
            raise Unreadable(f"not JSON: {text!r:.40} after the end", line)
        return root

    def _next(self) -> tuple[str, str, int]:
        match = _TOKEN.match(self._source, self._at)
        if match is None:
            place = re.compile(r"[ \t\r\n]*").match(self._source, self._at)
            at = self._at if place is None else place.end()
            raise Unreadable(f"not JSON: {self._source[at : at + 20]!r}", self._line(at))
        self._at = match.end()
        kind = match.lastgroup or "end"
        return kind, match[kind], self._line(match.start(kind))

    def _line(self, at: int) -> int:
        return bisect.bisect_left(self._breaks, at) + 1

    def _value(self, kind: str, text: str, line: int, depth: int) -> Node:
        if depth > _MAX_DEPTH:
            raise _too_deep(line)
        if kind == "string":
            return Scalar(line, _decoded(text, line))
        if kind == "number":
            return Scalar(line, text, "number")
        if kind == "word":
            return Scalar(line, text, "null" if text == "null" else "boolean")
        if text == "{":
            return self._mapping(line, depth)
        if text == "[":
            return self._sequence(line, depth)
        raise Unreadable(f"not JSON: {text or 'the end'!r} where a value should be", line)

    def _mapping(self, start: int, depth: int) -> Mapping:
        entries: list[Entry] = []
        kind, text, line = self._next()
        while text != "}" or kind != "mark":
            if kind != "string":
                raise Unreadable(f"not JSON: {text or 'the end'!r} where a key should be", line)
            key, key_line = _decoded(text, line), line
            self._expect(":")
            entries.append(Entry(key_line, key, self._value(*self._next(), depth + 1)))
            kind, text, line = self._separator("}")
        return Mapping(start, tuple(entries))

    def _sequence(self, start: int, depth: int) -> Sequence:
        items: list[Node] = []
        kind, text, line = self._next()
        while text != "]" or kind != "mark":
            items.append(self._value(kind, text, line, depth + 1))
            kind, text, line = self._separator("]")
        return Sequence(start, tuple(items))

    def _separator(self, closing: str) -> tuple[str, str, int]:
        """After an element: the closing bracket, or what follows a comma."""
        kind, text, line = self._next()
        if kind == "mark" and text == ",":
            kind, text, line = self._next()
            if kind == "mark" and text == closing:
                raise Unreadable(f"not JSON: a comma before {closing!r}", line)
            return kind, text, line
        if kind == "mark" and text == closing:
            return kind, text, line
        raise Unreadable(f"not JSON: ',' or {closing!r} is missing", line)

    def _expect(self, mark: str) -> None:
        kind, text, line = self._next()
        if kind != "mark" or text != mark:
            raise Unreadable(f"not JSON: {mark!r} is missing before {text!r:.40}", line)


def _decoded(token: str, line: int) -> str:
    try:
        text: str = json.loads(token)
    except ValueError as error:
        raise Unreadable(f"not JSON: {error}", line) from error
    return text
