"""Lines of JSON: the same lines however the bytes are cut."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.errors import ProtocolError
from airouter_core.testing.recordings import everywhere
from airouter_core.wire.ndjson import NdjsonDecoder

Outcome = tuple[list[str], str | None]


def decode(pieces: Iterable[bytes], limit: int = 1 << 20) -> Outcome:
    """The lines of these bytes, without the spaces around them, and the error that ended them."""
    decoder = NdjsonDecoder(limit=limit)
    lines: list[str] = []

    def all_of() -> Iterator[str]:
        for piece in pieces:
            yield from decoder.feed(piece)
        yield from decoder.close()

    try:
        for line in all_of():
            lines.append(line.strip())  # what came before an error counts
    except ProtocolError as error:
        return lines, str(error)
    return lines, None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\xef\xbb\xbf{}\n1\n", ["{}", "1"]),
        (b'{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}']),
        (b'{"a":1}\n\n  \n{"b":2}', ['{"a":1}', '{"b":2}']),
        (b'{"a":1}\r\n{"b":2}\r\n', ['{"a":1}', '{"b":2}']),
        ('{"a":"\u2028\u0085🦙"}\n'.encode(), ['{"a":"\u2028\u0085🦙"}']),
        (b"\n\n", []),
    ],
)
def test_examples(data: bytes, expected: list[str]) -> None:
    """A line is what stands between line feeds; blank ones are skipped, and the last one needs no end."""
    for pieces in everywhere(data):
        assert decode(pieces) == (expected, None)


def test_invalid_utf8_is_an_error() -> None:
    """Bytes that are no text are the provider's fault; the lines before them are given first."""
    for pieces in everywhere(b'{"a":1}\n{"\xff":1}\n{}\n'):
        lines, error = decode(pieces)
        assert lines == ['{"a":1}']
        assert "UTF-8" in str(error)


@pytest.mark.parametrize("after", [b"", b"\n", b"\n{}\n"])
def test_limit_holds_wherever_the_bytes_are_cut(after: bytes) -> None:
    """A line beyond the limit is an error, after the lines before it, in one piece or in many."""
    for pieces in everywhere(b"[1]\n" + b"9" * 12 + after):
        lines, error = decode(pieces, limit=10)
        assert lines == ["[1]"]
        assert "10 bytes" in str(error)


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=5), st.sampled_from([1 << 20, 9]))
def test_any_bytes_cut_anywhere_give_the_same(data: bytes, cuts: list[int], limit: int) -> None:
    """Whatever arrives, its lines and its error do not depend on where it was cut."""
    places = sorted({min(cut, len(data)) for cut in cuts})
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    assert decode(pieces, limit) == decode([data], limit)


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20)), max_size=5), st.booleans())
def test_what_was_written_is_read(values: list[dict[str, str]], escaped: bool) -> None:
    """Values written one a line come back as they were."""
    lines = [json.dumps(value, ensure_ascii=escaped) for value in values]
    data = "".join(line + "\n" for line in lines).encode("utf-8", "surrogatepass")
    try:
        data.decode()
    except UnicodeDecodeError:
        return
    assert [json.loads(line) for line in decode([data])[0]] == values
