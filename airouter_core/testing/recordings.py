"""Recorded traffic: read, cut, fed to a wire, replayed over HTTP, compared.

One file is one interaction, with the result that the vendor's own client makes of it::

    {"id": ..., "provider": ..., "stream": true, "features": [...],
     "request":  {"method": ..., "path": ..., "headers": {...}, "json": {...}},
     "response": {"status": 200, "headers": {...}, "body_text": "..."},    (or "body_b64", for bytes that are no text)
     "expected": {"text": ..., "tool_calls": [...], "finish_reason": ..., "usage": {...}, ...} or null}

A recording serves twice: once through the transport, end to end, and once as bytes for the parser, cut in pieces.
"""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from ..values.events import FinishReason, StreamEvent
from ..values.response import Response
from ..wire.http import NDJSON, Wire
from ..wire.json import begins_as_json
from .server import Answer, Connection, Framing, LoopbackServer, ReceivedRequest

Cut = Callable[[bytes], Iterable[bytes]]


@attrs.frozen
class Recording:
    """One recorded interaction.

    Attributes:
        kind: the folder it lies in, such as ``"openai-chat"``.
        stream: whether the answer is one.
        features: what occurs in it.
        request: ``method``, ``path``, ``headers``, ``json``.
        status, headers, body: the answer; header names in lower case.
        expected: what the vendor's own client makes of it, in the terms of the format; ``None`` where unknown.
    """

    id: str
    kind: str
    stream: bool
    features: tuple[str, ...]
    request: Mapping[str, Any] = attrs.field(repr=False)
    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    expected: Mapping[str, Any] | None = attrs.field(repr=False)

    @property
    def path(self) -> str:
        """The path asked for, without its query."""
        return str(self.request.get("path", "")).partition("?")[0]

    @property
    def expected_error(self) -> Mapping[str, Any] | None:
        """What the failure is expected to be; ``None`` when the call is to succeed."""
        error = (self.expected or {}).get("error")
        return error if isinstance(error, Mapping) else None

    @property
    def is_answer(self) -> bool:
        """Whether it is a complete answer of a model, in good order."""
        expected = self.expected or {}
        blocked = bool(expected.get("block_reason"))
        return self.status < 400 and "text" in expected and self.expected_error is None and not blocked

    def answer(self, cut: Cut | None = None, framing: Framing = "chunked") -> Answer:
        """The HTTP answer, in the pieces that ``cut`` makes."""
        parts = (self.body,) if cut is None else tuple(cut(self.body))
        return Answer(self.status, self.headers, parts, framing)


def load_recordings(folder: str | os.PathLike[str], *kinds: str) -> list[Recording]:
    """The recordings of a folder (of some of its subfolders), by id; empty when there is no such folder.

    Args:
        kinds: names of subfolders; none means the files that lie in the folder itself.
    """
    found: list[Recording] = []
    for kind in kinds or ("",):
        place = os.path.join(folder, kind)
        if not os.path.isdir(place):
            continue
        for name in sorted(os.listdir(place)):
            if name.endswith(".json"):
                with open(os.path.join(place, name), encoding="utf-8") as file:
                    found.append(recording_of(json.load(file), kind))
    return found


def required_recordings(folder: str | os.PathLike[str], *kinds: str) -> list[Recording]:
    """:func:`load_recordings`; where there are none the test is skipped, and says why."""
    import pytest

    return load_recordings(folder, *kinds) or pytest.skip(f"no recordings of {', '.join(kinds)} in {folder}")


def recording_of(content: Mapping[str, Any], kind: str = "") -> Recording:
    """A recording from its JSON."""
    response = content["response"]
    text = response.get("body_text")
    body = base64.b64decode(response.get("body_b64", "")) if text is None else text.encode()
    return Recording(
        id=content["id"],
        kind=kind or content.get("provider", ""),
        stream=bool(content.get("stream")),
        features=tuple(content.get("features", ())),
        request=content["request"],
        status=response["status"],
        headers={name.lower(): value for name, value in response.get("headers", {}).items()},
        body=body,
        expected=content.get("expected"),
    )


def body_fields(body: bytes) -> dict[str, str]:
    """A body in the format's field for it: as text, or in base64 where it is none."""
    try:
        return {"body_text": body.decode()}
    except UnicodeDecodeError:
        return {"body_b64": base64.b64encode(body).decode("ascii")}


def pieces(data: bytes, size: int | None = None, *, seed: int | None = None) -> Iterator[bytes]:
    """Cut bytes: into pieces of one size, or anywhere, empty pieces among them. The same seed cuts alike."""
    if size is not None:
        for start in range(0, len(data), size):
            yield data[start : start + size]
        return
    chance = random.Random(seed)
    start = 0
    yield b""
    while start < len(data):
        step = chance.choice((0, 1, 2, 3, 7, 40, 200, 4096))
        yield data[start : start + step]
        start += step


def everywhere(data: bytes) -> Iterator[list[bytes]]:
    """Whole, byte by byte, and cut in two at every place, with empty pieces thrown in: for what is short."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    yield from ([data[:at], b"", data[at:]] for at in range(len(data) + 1))


def cuts() -> Mapping[str, Cut]:
    """Ways of cutting that a parser must not notice, by name."""
    return {
        "whole": lambda data: (data,),
        "bytes": lambda data: pieces(data, 1),
        "sevens": lambda data: pieces(data, 7),
        "lines": lambda data: data.splitlines(keepends=True),
        "anywhere": lambda data: pieces(data, seed=1),
        "anywhere else": lambda data: pieces(data, seed=2),
    }


def wire_events(wire: Wire, recording: Recording, cut: Cut | None = None) -> Iterator[StreamEvent]:
    """The events that a wire makes of a recording, as :class:`~airouter_core.provider.http.HttpProvider` would.

    Raises:
        ProviderError: the answer is a failure.
        ProtocolError: it is not in the provider's format.
    """
    if recording.status >= 400:
        raise wire.parse_error(recording.status, recording.headers, recording.body)
    if not recording.stream or (wire.stream_type != NDJSON and begins_as_json(recording.body)):
        yield from wire.parse_body(recording.body)
        return
    parser = wire.open_stream()
    for piece in (recording.body,) if cut is None else cut(recording.body):
        yield from parser.feed(piece)
        if parser.done:
            break
    yield from parser.close()


class ReplayServer(LoopbackServer):
    """Serves recordings on loopback: each at ``http://127.0.0.1:<port>/<id>/…``, whatever is asked for below that.

    Args:
        cut: how bodies are cut into pieces; whole unless given.
        framing: ``"chunked"``, ``"length"`` (content-length), or ``"close"`` (the end of the connection).
    """

    def __init__(
        self, recordings: Iterable[Recording], *, cut: Cut | None = None, framing: Framing = "chunked"
    ) -> None:
        super().__init__(self._replay)
        self._by_id = {recording.id: recording for recording in recordings}
        self._cut = cut
        self._framing: Framing = framing

    def address(self, recording: Recording, prefix: str = "") -> str:
        """The ``base_url`` under which a recording answers; ``prefix`` as in ``"v1"``."""
        return f"{self.url}/{recording.id}" + (f"/{prefix.strip('/')}" if prefix.strip("/") else "")

    def _replay(self, request: ReceivedRequest, connection: Connection) -> None:
        recording = self._by_id.get(request.path.split("/")[1])
        if recording is None:
            connection.answer(Answer.of_json({"error": {"message": "no such recording"}}, status=404))
        else:
            connection.answer(recording.answer(self._cut, self._framing))


def difference(
    recording: Recording, outcome: Response | BaseException, meanings: Mapping[str, FinishReason] | None = None
) -> list[str]:
    """See :func:`airouter_core.testing.compare.difference`; here because whoever loads recordings compares them."""
    from .compare import difference as compared

    return compared(recording, outcome, meanings or {})
