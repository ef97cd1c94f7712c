"""Tool calls as answers begin them, for all formats that bring a call whole."""

from __future__ import annotations

from typing import Any

import pytest

from airouter_core.errors import ProtocolError
from airouter_core.values.tools import is_invented
from airouter_core.wire.calls import COMPACT, CallStarts, written_arguments


def test_no_two_calls_have_one_id() -> None:
    """What a provider gives twice is given once: results would belong to both, and vendors refuse it from then on."""
    starts = CallStarts()
    given = [
        starts.begin(identity, "n", instead=instead).id for identity, instead in (("a", ""), ("a", ""), ("a", "b"))
    ]
    assert given[0] == "a"
    assert is_invented(given[1])
    assert given[2] == "b"
    assert is_invented(starts.begin("", "n", instead="a").id)
    assert len({*given}) == starts.count - 1 == 3


@pytest.mark.parametrize("name", ["", None, 7])
def test_a_call_without_a_name_is_an_error(name: Any) -> None:
    """Nobody can say what is to be called."""
    with pytest.raises(ProtocolError, match="tool call 'a' without a name"):
        CallStarts().begin("a", name)


@pytest.mark.parametrize(
    ("value", "spaced", "compact"),
    [
        ({"city": "é"}, '{"city": "é"}', '{"city":"é"}'),
        ('{"city":  1}', '{"city":  1}', '{"city":  1}'),
        ("no JSON", "no JSON", "no JSON"),
        (None, "{}", "{}"),
        ("", "{}", "{}"),
        ({}, "{}", "{}"),
        ([1], "[1]", "[1]"),
    ],
)
def test_arguments_that_come_whole(value: Any, spaced: str, compact: str) -> None:
    """As JSON, whether the server sends them so, as an object, or not at all."""
    assert (written_arguments(value), written_arguments(value, COMPACT)) == (spaced, compact)
