"""Streams: events in, bytes out, at the speed of the slower side.

One task reads the provider, another writes to the client; between them wait at most 64 pieces, and whatever has
gathered is written at once. A client that goes ends the reading, and with it the provider's connection, in any phase:
before the provider has answered, before its first event, in the middle. Pings tell a client that somebody is there;
they are no events, so a provider that is silent for too long is given up all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from airouter_core.errors import TransportTimeoutError
from airouter_core.flow.steps import Flow
from airouter_core.provider.streams import AsyncResponseStream
from airouter_core.values.events import MetadataReported
from airouter_core.wire.json import mapping

from ..dialects.dialect import Dialect, Writer
from ..dialects.question import ROUTER
from ..dialects.refusals import refusal_of
from ..settings import GatewaySettings
from .exchange import Exchange, LeftError

MOST_WAITING = 64
Keep = Callable[[Writer], Awaitable[None]]


class Stream:
    """One answer that is streamed.

    Args:
        keep: is awaited before the end of an answer that is complete.
        announce: adds to the headers what is known when they are sent, and who answers if a route has told it.
    """

    def __init__(
        self,
        exchange: Exchange,
        dialect: Dialect,
        writer: Writer,
        flow: Flow[Any],
        settings: GatewaySettings,
        announce: Callable[[str | None], None],
        keep: Keep | None = None,
    ) -> None:
        self.stream = AsyncResponseStream(flow)
        self.first_after: float | None = None
        self._exchange = exchange
        self._dialect = dialect
        self._writer = writer
        self._settings = settings
        self._announce = announce
        self._keep = keep
        self._waiting: list[bytes] = []
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._failure: Exception | None = None
        self._over = False
        self._heard = 0.0
        self._served_by: str | None = None

    async def answer(self) -> None:
        """Answer, to the end.

        Raises:
            LeftError: the client has gone; the provider was told so.
            Exception: what the provider's flow raised before anything was sent; later it is said in the stream.
        """
        self._heard = asyncio.get_running_loop().time()
        reading = asyncio.create_task(self._read())
        writing = asyncio.create_task(self._write())
        leaving = asyncio.create_task(self._exchange.left())
        try:
            await asyncio.wait((writing, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                raise LeftError
            await writing
        finally:
            for task in (reading, writing, leaving):
                task.cancel()
            await asyncio.gather(reading, writing, leaving, return_exceptions=True)

    async def _read(self) -> None:
        feed, waiting, ready = self._writer.feed, self._waiting, self._ready
        now = asyncio.get_running_loop().time
        try:
            async for event in self.stream:
                self._heard = now()
                if type(event) is MetadataReported:
                    self._served_by = mapping(event.provider_metadata.get(ROUTER)).get("served_by", self._served_by)
                if written := feed(event):
                    waiting.append(written)
                    ready.set()
                    if len(waiting) >= MOST_WAITING:
                        self._room.clear()
                        await self._room.wait()
            end = self._writer.end(self._exchange.seconds)
            if self._keep is not None:
                await self._keep(self._writer)
            waiting.append(end)
        except Exception as error:
            self._failure = error
        finally:
            self._over = True
            ready.set()
            await self.stream.aclose()

    async def _write(self) -> None:
        exchange = self._exchange
        begun = False
        while True:
            await self._wait(self._settings.ping if begun else self._settings.headers_after)
            failure, over = self._failure, self._over
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._room.set()
            if failure is not None:
                if not begun and not data:
                    raise failure
                exchange.failure = type(failure).__name__
                data += self._writer.failure(refusal_of(failure))
            if not begun:
                begun = True
                self.first_after = exchange.seconds
                self._announce(self._served_by)
                await exchange.begin(200, self._dialect.stream_type)
            if data or self._dialect.ping:
                await self._send(data or self._dialect.ping)
            if over:
                if failure is None or not self._dialect.cuts_failures:
                    await exchange.end()
                return

    async def _wait(self, seconds: float) -> None:
        """Until there is something to write, or to say that there is nothing yet."""
        if not self._waiting and not self._over:
            self._ready.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._ready.wait()
        silent = asyncio.get_running_loop().time() - self._heard
        if not self._waiting and not self._over and silent > self._settings.idle_timeout:
            self._failure = TransportTimeoutError("the provider was silent for too long")
            self._over = True

    async def _send(self, data: bytes) -> None:
        """Hand on; a client that takes nothing for too long has gone."""
        try:
            async with asyncio.timeout(self._settings.send_timeout):
                await self._exchange.more(data)
        except TimeoutError:
            raise LeftError from None
