"""What only the awaited half can get wrong; that it does what the blocking half does, all other checks see."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import msgspec
import pytest

from ...errors import AirouterError
from ...flow.exchange import Policy
from ...provider.facade import Provider
from ...values.messages import Message
from ...values.response import Response
from ..cancelling import Place, cancelled_everywhere
from ..halves import AWAITED, BLOCKING, Half, need_aiohttp
from ..recordings import Recording, ReplayServer, pieces
from ..server import Answer, Connection, LoopbackServer, ReceivedRequest
from ..subject import Subject, hold, none_of
from . import lifetime
from .reading import differing

MOST = 12
"""Recordings that are asked for, awaited."""
PIECES = 2
ODD = "kit/a model:1%3A+ü"
"""A name whose every character an address may have to say otherwise."""
NOW = 1_800_000_000.0
"""When all requests are signed whose bytes are compared: the second may change between two of them."""


class AwaitingChecks(Subject):
    """Awaiting."""

    def test_awaiting_gives_the_same(self) -> None:
        """Every recording, awaited, gives the response or the error that blocking gives."""
        self.http_class()
        need_aiohttp()
        recordings = self.known_recordings()[:: max(len(self.known_recordings()) // MOST, 1)]
        if not recordings:
            pytest.skip("has no recordings: set `recordings` or `samples`")
        with ReplayServer(recordings) as server:
            none_of(
                f"{recording.id}: {problem}"
                for recording in recordings
                for problem in self._differing(server, recording)
            )

    def test_both_halves_send_the_same_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is sent is the same in both halves, byte for byte: the address, each header, the body."""
        self.http_class()
        need_aiohttp()
        policy_of = Policy.of
        monkeypatch.setattr(Policy, "of", lambda config: msgspec.structs.replace(policy_of(config), now=lambda: NOW))
        ways = (False, True) if "stream" in self.info.capabilities else (False,)
        questions = [functools.partial(self._sent, model, stream) for model in (self.model, ODD) for stream in ways]
        none_of(problem for question in questions for problem in _not_the_same(question))

    def _sent(self, model: str, stream: bool, server: LoopbackServer, half: Half) -> bytes:
        subject = self.by(half)
        with subject.provider(server) as provider, contextlib.suppress(AirouterError):
            said = [Message.system("Kit."), Message.user("Grüße: 👋")]
            if stream:
                provider.stream_chat(model, said).read()
            else:
                provider.chat(model, said)
        return server.requests[-1].raw

    def test_cancelling_leaves_nothing_behind(self) -> None:
        """Cancelled at any await, a call ends at once; its connection is closed or kept for the next, which works."""
        self.http_class()
        need_aiohttp()
        complaints: list[str] = []
        loops = [half.new_loop for half in self.halves if half.new_loop is not None]
        ways = (False, True) if "stream" in self.info.capabilities else (False,)
        for new_loop, stream in itertools.product(loops, ways):
            with _slowly(self.good(stream=stream)) as server, asyncio.Runner(loop_factory=new_loop) as runner:
                loop = runner.get_loop()
                loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
                runner.run(self._cancel_calls(server, stream=stream))
                runner.run(self._cancel_lives(server, stream=stream))
                gc.collect()
        none_of(complaints)

    async def _cancel_calls(self, server: LoopbackServer, *, stream: bool) -> None:
        async with self.provider_itself(server) as provider:
            expected = (await self._call(provider, stream=stream)).text

            async def look(place: Place) -> None:
                text = (await self._call(provider, stream=stream)).text
                hold(text == expected, f"after a call cancelled at {place} the next one says {text[:60]!r}")
                await _hold_open(server, 1, place)

            await cancelled_everywhere(lambda: self._call(provider, stream=stream), look)

    async def _cancel_lives(self, server: LoopbackServer, *, stream: bool) -> None:
        """The same from the first connection to the last: connecting and closing may be cancelled too."""

        async def live() -> None:
            async with self.provider_itself(server) as provider:
                await self._call(provider, stream=stream)

        await cancelled_everywhere(live, lambda place: _hold_open(server, 0, place))

    async def _call(self, provider: Provider[Any], *, stream: bool) -> Response:
        if stream:
            return await provider.astream_chat(self.model, "Say hello.").read()
        return await provider.achat(self.model, "Say hello.")

    def _differing(self, server: ReplayServer, recording: Recording) -> list[str]:
        blocking, awaited = (self._outcome(half, server, recording) for half in (BLOCKING, AWAITED))
        if isinstance(blocking, AirouterError) or isinstance(awaited, AirouterError):
            same = type(blocking) is type(awaited) and str(blocking) == str(awaited)
            return [] if same else [f"blocking gives {blocking!r}, awaiting {awaited!r}"]
        return differing(awaited, blocking)

    def _outcome(self, half: Half, server: ReplayServer, recording: Recording) -> Any:
        with self.by(half).provider(server.address(recording)) as provider:
            try:
                return self.ask(provider, stream=recording.stream)
            except AirouterError as error:
                return error


def _not_the_same(question: Callable[[LoopbackServer, Half], bytes]) -> Iterator[str]:
    """What differs when both halves ask."""
    with LoopbackServer(_refuse) as server:
        first, second = question(server, BLOCKING), question(server, AWAITED)
    lines = itertools.zip_longest(first.split(b"\r\n"), second.split(b"\r\n"))
    yield from (f"blocking sends {one!r}, awaited {other!r}" for one, other in lines if one != other)


def _refuse(request: ReceivedRequest, connection: Connection) -> None:
    connection.answer(Answer.of_json({"error": {"message": "kit: not now"}}, status=400))


def _slowly(recording: Recording) -> LoopbackServer:
    """A server that has its answers waited for, so that there are places to be cancelled at."""
    size = len(recording.body) // PIECES + 1
    answer = attrs.evolve(recording.answer(lambda body: pieces(body, size)), pause=0.002)
    return LoopbackServer(lambda request, connection: connection.answer(answer))


async def _hold_open(server: LoopbackServer, expected: int, place: Place) -> None:
    # The loop goes on: its end would close everything.
    right = await asyncio.to_thread(lifetime.soon, lambda: server.open_connections == expected)
    hold(right, f"cancelled at {place}, {server.open_connections} connections are open instead of {expected}")
