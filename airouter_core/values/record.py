"""Frozen attrs classes that also read as mappings: ``info["name"]`` beside ``info.name``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import attrs


class Record(Mapping[str, Any]):
    """Mixin for attrs classes: every public field is also a key."""

    __slots__ = ()
    __attrs_attrs__: ClassVar[tuple[attrs.Attribute[Any], ...]]

    def __getitem__(self, key: str) -> Any:
        if any(field.name == key for field in self.__attrs_attrs__):
            return getattr(self, key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in self.__attrs_attrs__)

    def __len__(self) -> int:
        return len(self.__attrs_attrs__)


def plain(value: Any) -> Any:
    """Turn records, and what they hold, into dicts, lists and scalars that :func:`json.dumps` takes."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if attrs.has(type(value)):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(item) for item in items]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
