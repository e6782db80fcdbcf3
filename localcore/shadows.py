"""The shadows of this device, kept in the configuration store, so a kill loses none."""

from dataclasses import asdict
from typing import Any

from localcore.config_store import ConfigStore
from localcore.shadow_document import ShadowDocument

_PREFIX = "shadow:"


class Shadows:
    """By thing and name; the classic shadow's name is empty."""

    def __init__(self, store: ConfigStore) -> None:
        self._store = store

    def get(self, thing: str, name: str) -> ShadowDocument | None:
        """The document, None when there is no such shadow."""
        record: Any = self._store.record(_record(thing, name))
        return None if record is None else ShadowDocument(**record)

    def put(self, thing: str, name: str, document: ShadowDocument) -> None:
        """Keep a document."""
        self._store.set_record(_record(thing, name), asdict(document))

    def delete(self, thing: str, name: str) -> ShadowDocument | None:
        """Forget the shadow; the document it had."""
        document = self.get(thing, name)
        self._store.set_record(_record(thing, name), None)
        return document

    def named(self, thing: str) -> list[str]:
        """The names of a thing's named shadows, in order."""
        prefix = _record(thing, "")
        names = (record.removeprefix(prefix) for record in self._store.records(prefix))
        return sorted(name for name in names if name)


def _record(thing: str, name: str) -> str:
    # Neither may have a slash in it.
    return f"{_PREFIX}{thing}/{name}"
