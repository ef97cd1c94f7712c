"""JSON as it is read from answers: the fast reader and the standard library's agree on all that either takes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.errors import ProtocolError
from airouter_core.wire.json import decoded_object, decoded_value

TAKEN = [
    " {} ",
    '{"a": 1, "a": 2}',
    '{"a" : [ 1 , 2.50, -0.0, 1E2, 1e-400 ]}',
    "123456789012345678901234567890",
    "-9223372036854775809",
    "9007199254740993",
    "1e400",
    "[NaN, Infinity, -Infinity]",
    r'"\ud83d\ude00"',
    r'"\ud800"',
    r'"\u0000 \/"',
    '"\x7f \u00e9 \u2028"',
]
REFUSED = [
    "",
    "tru",
    "01",
    "1.",
    ".5",
    "[1,]",
    "{1: 2}",
    "{'a': 1}",
    "[1 2]",
    "{} x",
    '"\n"',
    r'"\x41"',
    "[]]",
]


@pytest.mark.parametrize("said", TAKEN)
def test_what_is_taken(said: str) -> None:
    """As text and as bytes, with a mark of the byte order and without."""
    known = repr(json.loads(said))
    assert [repr(decoded_value(form)) for form in (said, said.encode(), b"\xef\xbb\xbf" + said.encode())] == [known] * 3


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_refused(said: str) -> None:
    """By both."""
    with pytest.raises(json.JSONDecodeError):
        json.loads(said)
    with pytest.raises(ProtocolError):
        decoded_value(said)


@pytest.mark.parametrize("said", [b'"\xff"', b'"\xed\xa0\x80"', b"[" * 100_000, b"[1]"])
def test_what_is_no_object(said: bytes) -> None:
    """Bytes that are no text, brackets without end, a list."""
    with pytest.raises(ProtocolError):
        decoded_object(said)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=20))
def test_any_value(value: object) -> None:
    """Whatever the standard library writes, it reads the same."""
    said = json.dumps(value)
    assert repr(decoded_value(said)) == repr(json.loads(said))
