"""Calls that are booked and wait for a worker, or are with one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from airouter_core.errors import AirouterError
from airouter_core.values.ask import Ask
from airouter_core.values.response import Response

from ..journal.records import Call
from ..outcomes import LostError, NotSentError

STALE = 2.0
"""Seconds after which a call that was permitted may not begin any more. What begins later is not within the limits."""
GATHERING = 0.004
"""Seconds for which further calls are waited for, so that a worker fetches several at once."""

Result = Response | AirouterError


class Given(NamedTuple):
    """A call that a worker is to make.

    Attributes:
        age: seconds since it was permitted.
    """

    call: Call
    ask: Ask
    age: float


class Lease(NamedTuple):
    """What a worker is to do.

    Attributes:
        life: of the journal.
        waited: seconds for which the wish was with it.
    """

    life: str
    given: list[Given]
    waited: float


class _Ticket:
    """A call that the engine waits for."""

    def __init__(self, call: Call, ask: Ask, now: float) -> None:
        self.call = call
        self.ask = ask
        self.since = now
        self.worker: str | None = None
        self.result: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def end(self, result: Result) -> None:
        if isinstance(result, Response):
            self.result.set_result(result)
        else:
            self.result.set_exception(result)


class Pool:
    """Stands between an engine, which awaits its calls, and workers, which fetch them."""

    def __init__(self) -> None:
        self._waiting: deque[_Ticket] = deque()
        self._open: dict[Call, _Ticket] = {}
        self._unkept: dict[Call, asyncio.Event] = {}
        self._there = asyncio.Event()

    async def answer(self, ask: Ask, call: Call) -> Response:
        """Have a call made by a worker; an :data:`airouter_bulk.answering.Answering`.

        Raises:
            LostError: its worker is gone.
            NotSentError: no worker has begun it in time.
        """
        ticket = _Ticket(call, ask, asyncio.get_running_loop().time())
        self._open[call] = ticket
        self._waiting.append(ticket)
        self._there.set()
        try:
            return await ticket.result
        finally:
            del self._open[call]

    async def give(self, worker: str, most: int, wait: float) -> list[Given]:
        """Up to so many calls for a worker to make at once; none where none has come for ``wait`` seconds."""
        try:
            async with asyncio.timeout(wait):
                while not self._waiting:
                    self._there.clear()
                    await self._there.wait()
        except TimeoutError:
            return []
        if len(self._waiting) < most:
            await asyncio.sleep(GATHERING)
        now = asyncio.get_running_loop().time()
        given: list[Given] = []
        while self._waiting and len(given) < most:
            ticket = self._waiting.popleft()
            if ticket.result.done():  # the engine has given it up
                continue
            age = now - ticket.since
            if age > STALE:
                ticket.end(NotSentError("no worker was there in time"))
                continue
            ticket.worker = worker
            given.append(Given(ticket.call, ticket.ask, age))
        return given

    def take(self, call: Call, result: Result) -> bool:
        """How a call ended; ``False`` where nobody waits for it."""
        ticket = self._open.get(call)
        if ticket is None or ticket.result.done():
            return False
        ticket.end(result)
        return True

    def keeping(self, call: Call) -> asyncio.Event:
        """What is set when the journal has the end of a call that was just taken."""
        event = self._unkept[call] = asyncio.Event()
        return event

    def kept(self, call: Call) -> None:
        """The journal has the end of a call."""
        if (event := self._unkept.pop(call, None)) is not None:
            event.set()

    def close(self) -> None:
        """Nothing more comes into the journal: nobody is to wait for that."""
        while self._unkept:
            self._unkept.popitem()[1].set()

    def lose(self, worker: str) -> int:
        """A worker is gone; the result is how many calls it had."""
        lost = [ticket for ticket in self._open.values() if ticket.worker == worker and not ticket.result.done()]
        self._end(lost, LostError(f"{worker} is gone, and nobody knows whether this was answered"))
        return len(lost)

    def recall(self) -> None:
        """No worker is to begin what waits here."""
        waiting = [ticket for ticket in self._waiting if not ticket.result.done()]
        self._waiting.clear()
        self._end(waiting, NotSentError("the run was paused before this was sent"))

    def _end(self, tickets: Iterable[_Ticket], error: AirouterError) -> None:
        for ticket in tickets:
            ticket.end(error)
