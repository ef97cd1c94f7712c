"""Kinds of values: what each accepts, in which form, and how a refusal reads."""

from __future__ import annotations

import pathlib
import types
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.values.kinds import DESCRIPTIONS, Kind, checked, parsed, within

ACCEPTED: list[tuple[Kind, Any, Any]] = [
    ("number", 1, 1),
    ("number", 0.5, 0.5),
    ("integer", 3, 3),
    ("integer", 3.0, 3),
    ("integer", 10**30, 10**30),
    ("boolean", False, False),
    ("string", "", ""),
    ("strings", "a", ("a",)),
    ("strings", ["a", "b"], ("a", "b")),
    ("strings", (), ()),
    ("mapping", types.MappingProxyType({"a": 1}), {"a": 1}),
    ("path", "x", "x"),
    ("path", pathlib.PurePosixPath("x/y"), "x/y"),
    ("any", 0, 0),
]

REFUSED: list[tuple[Kind, Any]] = [
    ("number", True),
    ("number", "1"),
    ("number", float("nan")),
    ("number", float("inf")),
    ("number", None),
    ("number", 10**400),
    ("integer", 1.5),
    ("integer", float("inf")),
    ("integer", True),
    ("integer", "1"),
    ("boolean", 1),
    ("boolean", "true"),
    ("string", b"x"),
    ("strings", ["a", 1]),
    ("strings", 1),
    ("strings", {"a"}),
    ("mapping", [("a", 1)]),
    ("path", 1),
]


def test_every_kind_has_words() -> None:
    """Each kind can be named in a message."""
    assert set(DESCRIPTIONS) == set(get_args(Kind))


@pytest.mark.parametrize(("kind", "value", "expected"), ACCEPTED)
def test_accepted(kind: Kind, value: Any, expected: Any) -> None:
    """A value of the kind is given back in the form that the kind stands for."""
    result = checked(value, kind)
    assert result == expected
    assert type(result) is type(expected) or kind == "mapping"


@pytest.mark.parametrize(("kind", "value"), REFUSED, ids=[str(number) for number in range(len(REFUSED))])
def test_refused(kind: Kind, value: Any) -> None:
    """A value of another kind is a ValueError that says what was expected, and what was given, in a short line."""
    with pytest.raises(ValueError, match=f"must be {DESCRIPTIONS[kind]}, not {type(value).__name__}") as caught:
        checked(value, kind)
    assert len(str(caught.value)) < 130


@pytest.mark.parametrize(
    ("value", "limits", "message"),
    [
        (-1, {"minimum": 0}, "at least 0, not -1"),
        (0, {"above": 0}, "greater than 0, not 0"),
        (1.5, {"maximum": 1}, "at most 1, not 1.5"),
        (2.0000001, {"maximum": 2}, "at most 2, not 2.0000001"),
        (2**32, {"maximum": 2**32 - 1}, "at most 4294967295, not 4294967296"),
        pytest.param(10**400, {"maximum": 128}, r"at most 128, not 1000+\.\.\.", id="huge"),
        ("loud", {"choices": ("low", "high")}, "one of low, high, not str 'loud'"),
    ],
)
def test_out_of_range(value: Any, limits: dict[str, Any], message: str) -> None:
    """A value out of range is told the limit and itself, so exactly that the two are seen to differ."""
    with pytest.raises(ValueError, match=message):
        within(value, **limits)


@pytest.mark.parametrize(
    ("value", "limits"),
    [
        (0, {"minimum": 0}),
        (1, {"maximum": 1}),
        (0.001, {"above": 0}),
        ("low", {"choices": ("low",)}),
        ("a text", {"minimum": 5}),
        (True, {"minimum": 5}),
    ],
)
def test_in_range(value: Any, limits: dict[str, Any]) -> None:
    """Bounds are included unless they are called ``above``; ranges concern numbers only."""
    within(value, **limits)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("TRUE", "boolean", True),
        ("off", "boolean", False),
        ("0", "boolean", False),
        ("1.5", "number", 1.5),
        ("7", "integer", 7),
        ("words", "string", "words"),
        ("END", "strings", ("END",)),
        ("/x", "path", "/x"),
        ('{"a": 1}', "mapping", {"a": 1}),
        ("[1]", "any", [1]),
        ("5m", "any", "5m"),
    ],
)
def test_parsed(text: str, kind: Kind, expected: Any) -> None:
    """A command line or the environment says values as text."""
    assert parsed(text, kind) == expected


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("maybe", "boolean", "true or false, not 'maybe'"),
        ("warm", "number", "a number, not 'warm'"),
        ("nan", "number", "a number, not 'nan'"),
        ("1.5", "integer", "a whole number, not '1.5'"),
        ("[1]", "mapping", r"a JSON object, not '\[1\]'"),
        ("{", "mapping", "a JSON object, not '{'"),
    ],
)
def test_not_parsed(text: str, kind: Kind, message: str) -> None:
    """Text that does not say such a value is shown in the error."""
    with pytest.raises(ValueError, match=message):
        parsed(text, kind)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=5,
    ),
    st.sampled_from(get_args(Kind)),
)
def test_nothing_but_a_value_or_a_value_error(value: Any, kind: Kind) -> None:
    """Whatever is given, it is accepted or refused with a ValueError; and what was accepted is accepted again."""
    try:
        accepted = checked(value, kind)
    except ValueError:
        return
    assert checked(accepted, kind) == accepted
