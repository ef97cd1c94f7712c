"""Heads of answers, read as http.client reads them, for less."""

from __future__ import annotations

import io
from http.client import HTTPException, LineTooLong, parse_headers

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.transports.answers import MOST_LINES, fields_of

NAMES = st.text("abcXYZ-_09!#", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f\x85\xa0"), max_size=30)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=20), st.sampled_from((": ", ":", ":\t ")))
def test_fields_are_those_of_http_client(fields: list[tuple[str, str]], between: str) -> None:
    """What is well formed is the same, in its order; names in lower case; what follows the head is left alone."""
    head = "".join(f"{name}{between}{value}\r\n" for name, value in fields).encode("latin-1") + b"\r\nbody"
    file, theirs = io.BytesIO(head), parse_headers(io.BytesIO(head))
    assert fields_of(file) == {name.lower(): ", ".join(theirs.get_all(name, ())) for name in theirs}
    assert file.read() == b"body"


def test_what_is_no_field_is_passed_over() -> None:
    """A stray line costs itself alone; a value that goes on in the next line is one value."""
    head = b"A: 1\r\nno field at all\r\nB : 2\r\n: 3\r\nC: 4\r\n  and 5\r\nc: 6\n\n"
    assert dict(fields_of(io.BytesIO(head))) == {"a": "1", "c": "4 and 5, 6"}
    assert dict(fields_of(io.BytesIO(b"  lost\r\nA: 1"))) == {"a": "1"}


def test_a_head_has_its_bounds() -> None:
    """Neither one line nor their number may grow without end."""
    with pytest.raises(LineTooLong):
        fields_of(io.BytesIO(b"a: " + b"x" * 70_000))
    with pytest.raises(HTTPException, match="headers"):
        fields_of(io.BytesIO(b"a: 1\r\n" * (MOST_LINES + 1) + b"\r\n"))
