"""Streams: events in, bytes out, at the speed of the slower side.

One task reads the provider, another writes to the client; between them wait at most 64 pieces, and whatever has
gathered is written at once. A client that goes ends the reading, and with it the provider's connection, in any phase:
before the provider has answered, before its first event, in the middle. Pings tell a client that somebody is there;
they are no events, so a provider that is silent for too long is given up all the same.

Every piece passes here, so nothing is made for one but the future that its writer waits for. One timer serves all
waits of a stream: when it rings too early it is set again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from airouter_core.errors import TransportTimeoutError
from airouter_core.flow.steps import Flow
from airouter_core.provider.streams import AsyncResponseStream
from airouter_core.values.events import MetadataReported
from airouter_core.wire.json import mapping

from ..dialects.binding import ROUTER
from ..dialects.dialect import Dialect, Writer
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
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        self._ready: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._failure: Exception | None = None
        self._over = False
        self._heard = 0.0
        self._served_by: str | None = None
        self._writing = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._rings = 0.0
        self._waits_for_client = self._slow = False

    async def answer(self) -> None:
        """Answer, to the end.

        Raises:
            LeftError: the client has gone, or takes nothing; the provider was told so.
            Exception: what the provider's flow raised before anything was sent; later it is said in the stream.
        """
        self._heard = self._loop.time()
        reading = asyncio.create_task(self._read())
        try:
            await self._exchange.until_left(self._write())
        except asyncio.CancelledError:
            if self._slow and self._writing is not None and not self._writing.uncancel():
                raise LeftError from None
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()
            reading.cancel()
            await asyncio.wait((reading,))

    async def _read(self) -> None:
        feed, waiting, now = self._writer.feed, self._waiting, self._loop.time
        try:
            async for event in self.stream:
                self._heard = now()
                if type(event) is MetadataReported:
                    self._served_by = mapping(event.provider_metadata.get(ROUTER)).get("served_by", self._served_by)
                if written := feed(event):
                    waiting.append(written)
                    if self._ready is not None:
                        self._tell()
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
            self._tell()
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
                await exchange.begin(self._dialect.stream_type)
            if data or self._dialect.ping:
                await self._send(data or self._dialect.ping)
            if over:
                if failure is None or not self._dialect.cuts_failures:
                    await exchange.end()
                return

    async def _wait(self, seconds: float) -> None:
        """Until there is something to write, or to say that there is nothing yet."""
        if self._waiting or self._over:
            return
        self._ready = self._loop.create_future()
        given_up = self._heard + self._settings.idle_timeout
        self._ring_at(min(self._loop.time() + seconds, given_up))
        await self._ready
        if not self._waiting and not self._over and self._loop.time() >= self._heard + self._settings.idle_timeout:
            self._failure = TransportTimeoutError("the provider was silent for too long")
            self._over = True

    async def _send(self, data: bytes) -> None:
        """Hand on; a client that takes nothing for too long has gone."""
        self._ring_at(self._loop.time() + self._settings.send_timeout)
        self._waits_for_client = True
        await self._exchange.more(data)
        self._waits_for_client = False

    def _tell(self) -> None:
        """Have the writer look."""
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)
        self._ready = None

    def _ring_at(self, moment: float) -> None:
        """Let the wait that begins be over then."""
        self._rings = moment
        if self._timer is None or self._timer.when() > moment:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(moment, self._ring)

    def _ring(self) -> None:
        """What is waited for has not come, unless the wait is another one by now."""
        self._timer = None
        if self._rings > self._loop.time():
            self._timer = self._loop.call_at(self._rings, self._ring)
        elif self._ready is not None:
            self._tell()
        elif self._waits_for_client and self._writing is not None:
            self._slow = True
            self._writing.cancel()
