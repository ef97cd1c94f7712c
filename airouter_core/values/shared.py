"""Comparison, hash, repr and pickling for attrs classes, shared by all of them.

attrs writes and compiles these for each class, which is half of what making the class costs; a program that asks once
makes some seventy classes. What a class has of its own attrs leaves alone.
"""

from __future__ import annotations

from typing import Any, TypeVar

import attrs

Class = TypeVar("Class", bound=type)


def shared_methods(cls: Class) -> Class:
    """Give a class the methods of this module. Stands below ``@attrs.frozen``."""
    for method in (__eq__, __hash__, __repr__, __getstate__, __setstate__):
        setattr(cls, method.__name__, method)
    return cls


def __eq__(self: Any, other: object) -> bool:  # noqa: N807  # becomes a method
    if other.__class__ is not self.__class__:
        return NotImplemented
    return all(getattr(self, name) == getattr(other, name) for name in _names(type(self), "eq"))


def __hash__(self: Any) -> int:  # noqa: N807  # becomes a method
    return hash((self.__class__, *(getattr(self, name) for name in _names(type(self), "eq"))))


def __repr__(self: Any) -> str:  # noqa: N807  # becomes a method
    shown = (f"{name}={getattr(self, name)!r}" for name in _names(type(self), "repr"))
    return f"{type(self).__qualname__.rpartition('>.')[2]}({', '.join(shown)})"


def __getstate__(self: Any) -> dict[str, Any]:  # noqa: N807  # becomes a method
    return {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}


def __setstate__(self: Any, state: dict[str, Any]) -> None:  # noqa: N807  # becomes a method
    for name, value in state.items():
        object.__setattr__(self, name, value)


def _names(cls: type, use: str) -> list[str]:
    return [field.name for field in attrs.fields(cls) if getattr(field, use)]
