"""A worker process, as its parent begins it: ``python -m airouter_bulk.workers.process``. Nobody else runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from airouter_core.errors import AirouterError

from ..journal.records import Call
from .channel import Channel
from .pool import Lease, Result
from .worker import Limits, Worker


class _NeverError(Exception):
    """A parent is not away and back: with it everything ends."""


class _Parent:
    """The parent, as its worker asks it."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._leases: asyncio.Queue[Lease | None] = asyncio.Queue()

    async def listen(self) -> None:
        """Take what it gives, until it is gone."""
        while True:
            self._leases.put_nowait(await self._channel.receive())

    async def lease(self, worker: str, got: int, lives: dict[str, int]) -> Lease | None:
        self._channel.send((True, (), {}))
        return await self._leases.get()

    async def report(self, worker: str, life: str, results: list[tuple[Call, Result]], limits: Limits) -> None:
        self._channel.send((False, results, limits))


async def _opened() -> Channel:
    """The standard streams as a channel; what else is printed here goes to stderr."""
    loop = asyncio.get_running_loop()
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, out)
    return Channel(reader, asyncio.StreamWriter(transport, protocol, None, loop))


async def _work() -> None:
    channel = await _opened()
    name, source = await channel.receive()
    worker = Worker(name, source, _NeverError)
    ready = await worker.ready()
    refused = ready if isinstance(ready, AirouterError) else None
    channel.send(refused)
    if refused is None:
        parent = _Parent(channel)
        both = [asyncio.ensure_future(worker.work(parent)), asyncio.ensure_future(parent.listen())]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for one in both:
            one.cancel()
        for outcome in await asyncio.gather(*both, return_exceptions=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, EOFError):
                raise outcome


def main() -> None:
    """Work until the parent has no more to do, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to understand
    asyncio.run(_work())


if __name__ == "__main__":
    main()
