"""Frozen values that also read as mappings: ``info["name"]`` beside ``info.name``."""

from __future__ import annotations

from abc import ABCMeta
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec


class _RecordMeta(msgspec.StructMeta, ABCMeta):
    """Both of a struct and of an abstract class."""


class Record(msgspec.Struct, Mapping[str, Any], metaclass=_RecordMeta, frozen=True):
    """A value each of whose fields is also a key."""

    def __getitem__(self, key: str) -> Any:
        if key in self.__struct_fields__:
            return getattr(self, key)
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__struct_fields__)

    def __len__(self) -> int:
        return len(self.__struct_fields__)


def plain(value: Any) -> Any:
    """Turn records, and what they hold, into dicts, lists and scalars that :func:`json.dumps` takes."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    fields = getattr(type(value), "__attrs_attrs__", None)  # of configurations, and of the classes of others
    if fields is not None:
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(item) for item in items]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
