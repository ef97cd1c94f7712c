"""Recorded answers, changed: what is new is survived, what is broken or missing is told."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from ...errors import ProtocolError, TruncatedStreamError
from ...values.response import Response
from ..edits import (
    edited,
    with_broken_json,
    with_unknown_fields,
    with_unknown_finish,
    with_unknown_frames,
    without_counts,
)
from ..frames import UNKNOWN, frame_ends
from ..recordings import Recording
from ..subject import Subject, hold, none_of
from .reading import differing, read

MOST_CUTS = 40
"""Places at which one recording is cut; the last ones always."""
SAID = ("text", "tool_calls", "finish_reason")


class MutationChecks(Subject):
    """Recordings, changed."""

    def test_a_cut_stream_is_an_error(self) -> None:
        """A stream that stops before its end is a TruncatedStreamError with what arrived, never a finished answer."""
        none_of(self._taken_for_complete())

    def _taken_for_complete(self) -> Iterator[str]:
        wire = self.wire()
        for recording in self.answers(stream=True):
            whole = read(wire, recording)
            if not isinstance(whole, Response):
                continue
            ends = frame_ends(recording.body, self.framing())
            step = max(len(ends) // MOST_CUTS, 1)
            places = {
                *ends[:-1:step],
                *ends[-4:-1],
                *(end - 3 for end in ends[-4:]),
                *(end - 9 for end in ends[::step]),
            }
            for place in sorted(place for place in places if 0 < place < len(recording.body)):
                outcome = read(wire, attrs.evolve(recording, body=recording.body[:place]))
                problem = _wrong_end(outcome, whole)
                if problem:
                    yield f"{recording.id}, cut at {place} of {len(recording.body)}: {problem}"
                    break

    def test_an_unknown_field_is_ignored(self) -> None:
        """Fields that are not known change nothing."""
        none_of(self._changed_by(with_unknown_fields))

    def test_an_unknown_event_is_ignored(self) -> None:
        """Events that are not known, comments and keep-alives change nothing."""
        wire, frames = self.wire(), self.framing()
        none_of(
            f"{recording.id}: {problem}"
            for recording in self.answers(stream=True)
            for problem in _other_than(read(wire, recording), read(wire, with_unknown_frames(recording, frames)))
        )

    def _changed_by(self, edit: object) -> Iterator[str]:
        wire, frames = self.wire(), self.framing()
        for recording in self.answers():
            changed = read(wire, edited(recording, edit, frames))  # type: ignore[arg-type]  # one of the edits
            yield from (f"{recording.id}: {text}" for text in _other_than(read(wire, recording), changed))

    def test_an_unknown_finish_reason_is_other(self) -> None:
        """A reason that is not known is "other", with the provider's word beside it."""
        wire, frames, tried = self.wire(), self.framing(), 0
        problems = []
        for recording in self.answers():
            changed = edited(recording, lambda value: with_unknown_finish(value, self.finish_fields), frames)
            if UNKNOWN.encode() not in changed.body or (recording.expected or {}).get("tool_calls"):
                continue
            tried += 1
            got = read(wire, changed)
            if not isinstance(got, Response):
                problems.append(f"{recording.id}: {got!r}")
            elif (got.finish_reason, got.raw_finish_reason) != ("other", UNKNOWN):
                problems.append(f"{recording.id}: {got.finish_reason!r}, raw {got.raw_finish_reason!r}")
        if not tried:
            pytest.skip("no recording names a reason in a known field: set `finish_fields`")
        none_of(problems)

    def test_counts_that_are_not_there_are_none(self) -> None:
        """Without a word on usage, the counts are None and never 0."""
        wire = self.wire()
        none_of(self._invented(wire, recording) for recording in self.answers() if self._invented(wire, recording))

    def _invented(self, wire: object, recording: Recording) -> str:
        changed = edited(recording, lambda value: without_counts(value, self.count_fields), self.framing())
        got = read(self.wire(), changed)
        if not isinstance(got, Response):
            return f"{recording.id}: {got!r}"
        counts = {name: value for name, value in got.usage.items() if name != "raw"}
        invented = {name: value for name, value in counts.items() if value is not None}
        if not invented:
            return ""
        fields = " or ".join(self.count_fields)
        return f"{recording.id}: without {fields} the counts are {invented}; set `count_fields`, or do not invent them"

    def test_broken_json_is_a_protocol_error(self) -> None:
        """Half an object, in a body or in a stream, is a ProtocolError that keeps what came before."""
        wire = self.wire()
        for recording in self.answers():
            got = read(wire, with_broken_json(recording, self.framing()))
            hold(isinstance(got, ProtocolError), f"{recording.id}, broken: expected ProtocolError, got {got!r}")

    def test_an_empty_answer_is_an_error(self) -> None:
        """No bytes at all, an empty object, no choices: an error, and no empty answer."""
        wire = self.wire()
        for body in (b"", b"{}", b"[]", b"null", b'{"choices": []}', b'""'):
            for recording in (self.good(stream=False), *(self.answers(stream=True)[:1] if self._streams else ())):
                got = read(wire, attrs.evolve(recording, body=body))
                hold(isinstance(got, ProtocolError), f"{body!r} as an answer: expected ProtocolError, got {got!r}")

    @property
    def _streams(self) -> bool:
        return "stream" in self.info.capabilities


def _wrong_end(outcome: object, whole: Response) -> str | None:
    if isinstance(outcome, TruncatedStreamError):
        partial = outcome.partial
        if partial is None or not whole.text.startswith(partial.text):
            return "the error does not hold what had arrived"
        return None
    if not isinstance(outcome, Response):
        return f"expected TruncatedStreamError, got {outcome!r}"
    lacking = [name for name in SAID if getattr(outcome, name) != getattr(whole, name)]
    return f"taken for complete although {', '.join(lacking)} differ" if lacking else None


def _other_than(before: object, after: object) -> Iterator[str]:
    if isinstance(before, Response) and isinstance(after, Response):
        yield from differing(after, before)
    elif type(before) is not type(after):
        yield f"was {before!r}, is {after!r}"
