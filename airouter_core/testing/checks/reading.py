"""Recorded answers, read: as bytes by the wire, cut in every way, and end to end."""

from __future__ import annotations

import random
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest

from ...errors import AirouterError, ProviderError
from ...provider.facade import Provider
from ...values.events import ToolCallStart
from ...values.folding import fold
from ...values.messages import ToolCallPart
from ...values.replaying import events_of
from ...values.response import Response
from ...values.tools import is_invented
from ...wire.http import Wire
from ..halves import in_each_half
from ..recordings import Cut, Recording, ReplayServer, cuts, difference, pieces, wire_events
from ..server import Answer, Connection, LoopbackServer
from ..subject import Subject, hold, none_of

LARGE = 60_000
"""Bytes; longer recordings are not cut into single bytes."""


class ReadingChecks(Subject):
    """Recordings."""

    def test_each_recording_is_read_as_expected(self) -> None:
        """The wire makes of every recording what the vendor's own client makes of it."""
        wire = self.wire()
        none_of(self._judged((item, read(wire, item)) for item in self._recorded()))

    @in_each_half
    def test_each_recording_is_read_end_to_end(self) -> None:
        """A provider that is asked over HTTP, with the answer in pieces, gives what is expected."""
        self.http_class()
        recordings = self._recorded()
        with ReplayServer(recordings, cut=lambda data: pieces(data, max(997, len(data) // 50))) as server:
            none_of(self._judged((item, self._asked(server, item)) for item in recordings))

    def test_the_way_bytes_are_cut_does_not_matter(self) -> None:
        """Every way of cutting a stream, and empty pieces, give the same events and the same error."""
        none_of(self._cut_differently())

    def _cut_differently(self) -> Iterator[str]:
        wire = self.wire()
        for recording in self._recorded():
            if not recording.stream or recording.status >= 400:
                continue
            whole = observed(wire, recording, None)
            for name, cut in cuts().items():
                if name == "bytes" and len(recording.body) > LARGE:
                    continue
                if observed(wire, recording, cut) != whole:
                    yield f"{recording.id} gives other events when cut into {name}"
                    break

    def test_a_stream_and_its_body_give_the_same_response(self) -> None:
        """What a stream adds up to is what the same answer says as a whole."""
        wire, compared, problems = self.wire(), 0, []
        for recording in self.answers(stream=True):
            body = self.body_of(recording)
            if body is not None:
                compared += 1
                whole = fold(wire.parse_body(body))
                streamed = fold(wire_events(wire, recording))
                problems += [f"{recording.id}: {text}" for text in differing(streamed, whole)]
        if not compared:
            pytest.skip("body_of() gives no body for any stream")
        none_of(problems)

    def test_a_response_survives_being_replayed(self) -> None:
        """The events of a response fold to that response again: answers may come from a cache."""
        wire = self.wire()
        for recording in self.answers():
            response = fold(wire_events(wire, recording))
            again = fold(events_of(response))
            hold(again == response, f"{recording.id}: {differing(again, response)}")

    def test_usage_adds_up(self) -> None:
        """The parts of a usage are no more than the whole, and what was not reported is None."""
        wire = self.wire()
        none_of(
            f"{recording.id}: {text}"
            for recording in self.answers()
            for text in _usage_problems(fold(wire_events(wire, recording)))
        )

    def test_building_is_pure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Building twice gives the same request, out of the request and the configuration alone."""
        wire, config = self.wire(), self.http_config()
        request = self.request(parameters={})
        before = repr(request)
        first = wire.build_request(request, config, stream=False)
        for module, name in (
            (time, "time"),
            (time, "time_ns"),
            (random, "random"),
            (uuid, "uuid4"),
            (socket, "socket"),
        ):
            monkeypatch.setattr(module, name, _forbidden(f"{module.__name__}.{name}"))
        again = wire.build_request(request, config, stream=False)
        monkeypatch.undo()
        hold(
            msgspec.structs.asdict(first) == msgspec.structs.asdict(again),
            "building the same request twice gives two different ones",
        )
        hold(repr(request) == before, "building changes the request that it is given")

    @in_each_half
    def test_an_error_carries_what_support_asks_for(self) -> None:
        """An error has the status, the request id and the wait that the answer's headers name."""
        name = self.wire().request_id_headers[0]
        answer = Answer.of_json(
            {"error": {"message": "kit"}}, status=429, headers={name: "kit-request", "retry-after": "17"}
        )

        def refuse(request: Any, connection: Connection) -> None:
            connection.answer(answer)

        with LoopbackServer(refuse) as server, self.provider(server) as provider:
            error = _error(lambda: self.ask(provider))
        hold(isinstance(error, ProviderError), f"a 429 gives {error!r}")
        assert isinstance(error, ProviderError)
        for attribute, expected in {
            "status": 429,
            "request_id": "kit-request",
            "retry_after": 17.0,
            "provider": self.info.name,
        }.items():
            got = getattr(error, attribute)
            hold(got == expected, f"error.{attribute} is {got!r}, not {expected!r}")

    # How the checks go about it.

    def _recorded(self) -> list[Recording]:
        self.http_class()
        found = self.known_recordings()
        if not found:
            pytest.skip("has no recordings: set `recordings` or `samples`")
        return found

    def _judged(self, outcomes: Any) -> Iterator[str]:
        for recording, outcome in outcomes:
            found = difference(recording, outcome, self.finish_meanings)
            if recording.id in self.excused:
                if not found:
                    yield f"{recording.id} is excused and is read as expected: remove it from `excused`"
            elif found:
                yield f"{recording.id}: {'; '.join(found)}"

    def _asked(self, server: ReplayServer, recording: Recording) -> Response | AirouterError:
        provider: Provider[Any]
        with self.provider(server.address(recording)) as provider:
            try:
                return self.ask(provider, stream=recording.stream)
            except AirouterError as error:
                return error


def read(wire: Wire, recording: Recording, cut: Cut | None = None) -> Response | AirouterError:
    """The response that a wire makes of a recording, or the error."""
    try:
        return fold(wire_events(wire, recording, cut))
    except AirouterError as error:
        return error


def observed(wire: Wire, recording: Recording, cut: Cut | None) -> list[Any]:
    """All events, and the error that ends them."""
    seen: list[Any] = []
    try:
        seen.extend(map(_comparable, wire_events(wire, recording, cut)))
    except AirouterError as error:
        seen.append((type(error), str(error)))
    return seen


def _comparable(value: Any) -> Any:
    """A call, or its beginning, without an id that the server did not give."""
    invented = isinstance(value, ToolCallStart | ToolCallPart) and is_invented(value.id)
    return msgspec.structs.replace(value, id="") if invented else value


def differing(one: Response, other: Response) -> list[str]:
    """In what two responses differ, apart from the identities that are made anew, by a server or in its place."""
    names = ("text", "reasoning", "refusal", "finish_reason", "raw_finish_reason", "model", "cost")
    found = [name for name in names if getattr(one, name) != getattr(other, name)]
    if [*map(_comparable, one.tool_calls)] != [*map(_comparable, other.tool_calls)]:
        found.append("tool_calls")
    counts = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    found += [f"usage.{name}" for name in counts if getattr(one.usage, name) != getattr(other.usage, name)]
    return found


def _usage_problems(response: Response) -> Iterator[str]:
    usage = response.usage
    parts = (
        ("input_tokens", ("cache_read_tokens", "cache_write_tokens")),
        ("output_tokens", ("reasoning_tokens",)),
    )
    for whole, names in parts:
        counts = [getattr(usage, name) or 0 for name in names]
        total = getattr(usage, whole)
        # Some have been recorded whose reasoning is longer than their whole output, or whose cached tokens are more
        # than those of the prompt, in their own words.
        own_words = {total, *counts} - {0} <= set(_numbers(usage.raw))
        if total is not None and sum(counts) > total and not own_words:
            yield f"{' + '.join(names)} = {sum(counts)} is more than {whole} = {total}"
        if any(count < 0 for count in (*counts, total or 0)):
            yield f"{whole} or a part of it is negative"


def _numbers(value: Any) -> Iterator[Any]:
    for item in value.values() if isinstance(value, Mapping) else ():
        yield from _numbers(item) if isinstance(item, Mapping) else (item,) if isinstance(item, int) else ()


def _forbidden(what: str) -> Any:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError(f"a wire function calls {what}")

    return refuse


def _error(call: Any) -> BaseException | None:
    try:
        call()
    except AirouterError as error:
        return error
    return None
