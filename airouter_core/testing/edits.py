"""Recordings, changed on purpose: what a provider may send one day, or send broken today."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

import attrs

from .frames import UNKNOWN, Frames
from .recordings import Recording

Edit = Callable[[Any], Any]

COUNTS = ("usage", "usageMetadata", "timings", "prompt_eval_count", "eval_count")
"""Fields of answers that hold counts, in the formats that are known."""
FINISH_FIELDS = ("finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason")


def edited(recording: Recording, edit: Edit, frames: Frames) -> Recording:
    """A recording whose every JSON value (the body, or what each frame carries) went through ``edit``."""
    if not recording.stream:
        return attrs.evolve(recording, body=_through(recording.body, edit))
    parts = (_edited(frame, edit, frames) for frame in frames.split(recording.body))
    return attrs.evolve(recording, body=b"".join(parts))


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


def with_unknown_frames(recording: Recording, frames: Frames) -> Recording:
    """A stream with events of a new kind, comments and keep-alives between its own."""
    return attrs.evolve(recording, body=frames.unknown().join(frames.split(recording.body)))


def with_broken_json(recording: Recording, frames: Frames) -> Recording:
    """A body cut off in the middle; a stream in whose middle stands half an object."""
    if not recording.stream:
        return attrs.evolve(recording, body=recording.body.rstrip()[: len(recording.body) // 2])
    known = frames.split(recording.body)
    middle = len(known) // 2
    telling = [frame for frame in (*known[middle:], *known[:middle]) if frames.data(frame) is not None]
    broken = frames.with_data(telling[0], b'{"kit": ')
    return attrs.evolve(recording, body=b"".join((*known[:middle], broken, *known[middle:])))


def _edited(frame: bytes, edit: Edit, frames: Frames) -> bytes:
    data = frames.data(frame)
    changed = None if data is None else _through(data, edit)
    return frame if changed is None or changed == data else frames.with_data(frame, changed)


def _through(data: bytes, edit: Edit) -> bytes:
    try:
        value = json.loads(data)
    except ValueError:
        return data
    return b" " + json.dumps(edit(value), ensure_ascii=False).encode()
