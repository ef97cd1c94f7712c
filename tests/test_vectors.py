"""Embeddings as they arrive."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.errors import ProtocolError
from airouter_core.values.vectors import finite, one_for_each, vector_of


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_a_list_and_its_base64_are_the_same_vector(numbers: list[float]) -> None:
    """Both ways of writing a vector give its numbers."""
    packed = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
    assert vector_of(packed) == vector_of(numbers) == numbers


@pytest.mark.parametrize(
    "value",
    [None, [], "", {}, [None], ["x"], [True], [[1]], [10**400], [float("nan")], [float("inf")], "AAA=", "no base64"],
    ids=repr,
)
def test_what_is_no_vector_is_a_protocol_error(value: Any) -> None:
    """Whatever stands in the place of a vector, the error is ours."""
    with pytest.raises(ProtocolError, match="the provider sent an embedding"):
        vector_of(value)


@pytest.mark.parametrize("vectors", [[], [[1.0]], [[1.0]] * 3])
def test_there_is_a_vector_for_each_text(vectors: Any) -> None:
    """Fewer vectors than texts, or more, cannot be paired with them."""
    with pytest.raises(ProtocolError, match="embeddings for 2 texts"):
        one_for_each(["a", "b"], vectors)


@pytest.mark.parametrize("value", [None, True, "1", [1], float("nan"), float("inf"), 10**400])
def test_what_is_no_finite_number(value: Any) -> None:
    """Whatever JSON can hold: an error that says what it was to be."""
    with pytest.raises(ProtocolError, match="a score that is no number"):
        finite(value, "a score")


def test_a_finite_number() -> None:
    """Whole or not."""
    assert [finite(value, "a score") for value in (1, -0.5)] == [1.0, -0.5]
