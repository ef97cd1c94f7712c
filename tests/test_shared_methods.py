"""The methods that value classes share do what those would that attrs writes for each."""

from __future__ import annotations

import pickle
from typing import Any

import attrs
import pytest

from airouter_core.values.shared import shared_methods


@attrs.frozen
class Written:
    a: int
    b: str = attrs.field(default="x", repr=False)
    c: str = attrs.field(default="y", eq=False)


@attrs.frozen
@shared_methods
class Shared:
    a: int
    b: str = attrs.field(default="x", repr=False)
    c: str = attrs.field(default="y", eq=False)


class Other(Shared):
    """Of the same fields, and not the same."""


@pytest.mark.parametrize("cls", [Written, Shared])
def test_values(cls: type[Any]) -> None:
    """Equal by the fields that count, shown without those that are hidden, whole after pickling."""
    value = cls(1, c="z")
    assert repr(value) == f"{cls.__name__}(a=1, c='z')"
    assert value == cls(1)
    assert hash(value) == hash(cls(1))
    assert value not in (cls(2), cls(1, b="other"), Other(1), 1)
    assert hash(value) != hash(cls(1, b="other"))
    copy = pickle.loads(pickle.dumps(value))
    assert (copy, copy.c) == (value, "z")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        value.a = 2
