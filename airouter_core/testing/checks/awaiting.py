"""The awaited half: the same answers, the same errors, nothing left behind."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

import pytest

from ...errors import AirouterError
from ...provider import Provider
from ..edits import frame_ends
from ..recordings import Recording, ReplayServer
from ..server import Answer, Connection, LoopbackServer, ReceivedRequest
from ..subject import Subject, hold, none_of
from . import lifetime
from .reading import differing

MOST = 12
"""Recordings that are asked for, awaited."""


class AwaitingChecks(Subject):
    """Awaiting."""

    def test_awaiting_gives_the_same(self) -> None:
        """Every recording, awaited, gives the response or the error that blocking gives."""
        self.http_class()
        _need_aiohttp()
        recordings = self.known_recordings()[:: max(len(self.known_recordings()) // MOST, 1)]
        if not recordings:
            pytest.skip("has no recordings: set `recordings` or `samples`")
        with ReplayServer(recordings) as server:
            none_of(
                f"{recording.id}: {problem}"
                for recording in recordings
                for problem in self._differing(server, recording)
            )

    def test_leaving_an_awaited_stream_closes_its_connection(self) -> None:
        """A stream that is awaited and not read to its end has its connection closed at once."""
        self.http_class()
        _need_aiohttp()
        if "stream" not in self.info.capabilities:
            pytest.skip("does not stream")
        recording = self.good(stream=True)
        most = frame_ends(recording, self.wire())[-2]
        started = Answer(200, recording.headers, (recording.body[:most],))

        def half(request: ReceivedRequest, connection: Connection) -> None:
            connection.send(started.head + b"".join(started.frames()))
            connection.wait(lifetime.PATIENCE)
            connection.close()

        async def leave(provider: Provider[Any]) -> bool:
            async with provider:
                async with provider.astream_chat(self.model, "Hello") as stream:
                    await anext(stream)
                # While the loop still runs: its end would close everything.
                return await asyncio.to_thread(server.left.wait, lifetime.PATIENCE)

        with LoopbackServer(half) as server:
            hold(asyncio.run(leave(self.provider(server))), "the connection stays open")

    def _differing(self, server: ReplayServer, recording: Recording) -> list[str]:
        with self.provider(server.address(recording)) as provider:
            blocking = _outcome(lambda: self.ask(provider, stream=recording.stream))
        awaited = _outcome(lambda: asyncio.run(self._awaited(self.provider(server.address(recording)), recording)))
        if isinstance(blocking, AirouterError) or isinstance(awaited, AirouterError):
            same = type(blocking) is type(awaited) and str(blocking) == str(awaited)
            return [] if same else [f"blocking gives {blocking!r}, awaiting {awaited!r}"]
        return differing(awaited, blocking)

    async def _awaited(self, provider: Provider[Any], recording: Recording) -> Any:
        async with provider:
            if recording.stream:
                async with provider.astream_chat(self.model, "Say hello.") as stream:
                    return await stream.read()
            return await provider.achat(self.model, "Say hello.")


def _outcome(call: Any) -> Any:
    try:
        return call()
    except AirouterError as error:
        return error


def _need_aiohttp() -> None:
    if importlib.util.find_spec("aiohttp") is None:
        pytest.skip("awaiting needs aiohttp: pip install 'airouter-core[async]'")
