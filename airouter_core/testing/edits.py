"""Recordings, changed on purpose: what a provider may send one day, or send broken today."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

import attrs

from ..wire.http import EVENT_STREAM, Wire
from .recordings import Recording

Edit = Callable[[Any], Any]

COUNTS = ("usage", "usageMetadata", "timings", "prompt_eval_count", "eval_count")
"""Fields of answers that hold counts, in the formats that are known."""
FINISH_FIELDS = ("finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason")
UNKNOWN = "x_kit_unknown"


def edited(recording: Recording, edit: Edit) -> Recording:
    """A recording whose every JSON value (the body, the data of each event, each line) went through ``edit``."""
    return attrs.evolve(recording, body=b"".join(_edited(recording, edit)))


def frame_ends(recording: Recording, wire: Wire) -> list[int]:
    """Where the frames of a stream end, as offsets; the last one is the length of the body."""
    end = rb"\r?\n\r?\n" if wire.stream_type == EVENT_STREAM else rb"\n"
    return [match.end() for match in re.finditer(end, recording.body)]


def with_unknown_fields(value: Any) -> Any:
    """Something new at the top of each object."""
    return {**value, UNKNOWN: {"a": [1, None]}} if isinstance(value, dict) else value


def without_counts(value: Any, fields: Collection[str] = COUNTS) -> Any:
    """No word on how much was used, wherever it stood."""
    if isinstance(value, dict):
        return {key: without_counts(item, fields) for key, item in value.items() if key not in fields}
    return [without_counts(item, fields) for item in value] if isinstance(value, list) else value


def with_unknown_finish(value: Any, fields: Collection[str] = FINISH_FIELDS) -> Any:
    """A reason to finish that nobody has heard of."""
    if isinstance(value, dict):
        return {
            key: UNKNOWN if key in fields and isinstance(item, str) else with_unknown_finish(item, fields)
            for key, item in value.items()
        }
    return [with_unknown_finish(item, fields) for item in value] if isinstance(value, list) else value


def with_unknown_frames(recording: Recording, wire: Wire) -> Recording:
    """A stream with events of a new kind, comments and keep-alives between its own."""
    if wire.stream_type == EVENT_STREAM:
        new = b': keep-alive\n\nevent: %s\ndata: {"type": "%s"}\n\n' % (UNKNOWN.encode(), UNKNOWN.encode())
    else:
        new = b'\n{"%s": 1}\n' % UNKNOWN.encode()
    ends = frame_ends(recording, wire)[:-1]
    parts = [recording.body[start:end] for start, end in zip([0, *ends], [*ends, None], strict=True)]
    return attrs.evolve(recording, body=new.join(parts))


def with_broken_json(recording: Recording, wire: Wire) -> Recording:
    """A body cut off in the middle; a stream in whose middle stands half an object."""
    if not recording.stream:
        return attrs.evolve(recording, body=recording.body.rstrip()[: len(recording.body) // 2])
    ends = frame_ends(recording, wire)
    middle = ends[len(ends) // 2 - 1] if len(ends) > 1 else 0
    broken = b'data: {"kit": \n\n' if wire.stream_type == EVENT_STREAM else b'{"kit": \n'
    return attrs.evolve(recording, body=recording.body[:middle] + broken + recording.body[middle:])


def _edited(recording: Recording, edit: Edit) -> Iterator[bytes]:
    if not recording.stream:
        yield _through(recording.body, edit)
        return
    for line in recording.body.splitlines(keepends=True):
        content = line.rstrip(b"\r\n")
        prefix = b"data:" if content.startswith(b"data:") else b""
        if prefix or content.startswith((b"{", b"[")):
            yield prefix + _through(content[len(prefix) :], edit) + line[len(content) :]
        else:
            yield line


def _through(data: bytes, edit: Edit) -> bytes:
    try:
        value = json.loads(data)
    except ValueError:
        return data
    return b" " + json.dumps(edit(value), ensure_ascii=False).encode()
