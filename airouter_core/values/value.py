"""What values are made of: frozen :class:`msgspec.Struct` classes, and what they do beyond it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

NO_METADATA: Mapping[str, Any] = {}


class Value(msgspec.Struct, frozen=True):
    """A frozen value, compared and hashed by what it holds. ``msgspec.structs.replace`` makes a changed copy."""


def no_metadata() -> Mapping[str, Any]:
    """The one empty mapping, so that ``is NO_METADATA`` tells a value that was given none."""
    return NO_METADATA


def metadata() -> Any:
    """A field for ``provider_metadata``."""
    return msgspec.field(default_factory=no_metadata)


def hiding(*hidden: str) -> Callable[[Any], str]:
    """A ``__repr__`` that leaves fields out: what is long, and what may hold keys and prompts."""

    def shown(self: Any) -> str:
        fields = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in hidden)
        return f"{type(self).__qualname__.rpartition('>.')[2]}({', '.join(fields)})"

    return shown
