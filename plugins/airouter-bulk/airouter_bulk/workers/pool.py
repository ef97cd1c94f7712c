"""Calls that are booked and wait for a worker, or are with one.

No worker has more of them than its part of what may be under way, so that models on several machines work alike, and
those that stay take over the part of one that goes. All workers ask all the time, also those that have enough: whoever
says nothing for long has stopped.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
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
LOOKED = 1.0
"""Seconds between two looks at who is quiet, at most: those in which the pool itself stood still do not count."""

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
        number: of those leases of its worker that hold calls, in this life.
        waited: seconds for which the wish was with it.
    """

    life: str
    number: int
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
    """Stands between an engine, which awaits its calls, and workers, which fetch them.

    Args:
        in_flight: calls at a time, of all workers together.
        workers: among whom they are shared; may be set anew.
    """

    def __init__(self, in_flight: int, workers: int = 1) -> None:
        self.workers = workers
        self._in_flight = in_flight
        self._waiting: deque[_Ticket] = deque()
        self._open: dict[Call, _Ticket] = {}
        self._unkept: dict[Call, asyncio.Event] = {}
        self._held: Counter[str] = Counter()
        self._parked: dict[str, asyncio.Future[int]] = {}
        self._fetched = 0  # that those who were woken may take
        self._gone: set[str] = set()
        self._quiet: dict[str, float] = {}
        self._looked = 0.0

    async def answer(self, ask: Ask, call: Call) -> Response:
        """Have a call made by a worker; an :data:`airouter_bulk.answering.Answering`.

        Raises:
            LostError: its worker is gone.
            NotSentError: no worker has begun it in time.
        """
        ticket = _Ticket(call, ask, asyncio.get_running_loop().time())
        self._open[call] = ticket
        self._waiting.append(ticket)
        self._wake()
        try:
            return await ticket.result
        finally:
            del self._open[call]
            if ticket.worker is not None:
                self._held[ticket.worker] -= 1
                self._wake()

    async def give(self, worker: str, wait: float) -> list[Given]:
        """Calls for a worker to make at once; none where none has come for ``wait`` seconds, or it has enough."""
        loop = asyncio.get_running_loop()
        parked: asyncio.Future[int] = loop.create_future()
        self._parked[worker] = parked
        self._wake()
        try:
            await asyncio.wait((parked,), timeout=wait)
            if not parked.done():
                return []
            if len(self._waiting) < self._room(worker):
                await asyncio.sleep(GATHERING)
            return self._taken(worker, loop.time())
        finally:
            if parked.done():
                self._fetched -= parked.result()
            elif self._parked.get(worker) is parked:
                del self._parked[worker]
            self._wake()

    def _taken(self, worker: str, now: float) -> list[Given]:
        given: list[Given] = []
        while self._waiting and self._room(worker) > 0 and worker not in self._gone:
            ticket = self._waiting.popleft()
            if ticket.result.done():  # the engine has given it up
                continue
            age = now - ticket.since
            if age > STALE:
                ticket.end(NotSentError("no worker was there in time"))
                continue
            ticket.worker = worker
            self._held[worker] += 1
            given.append(Given(ticket.call, ticket.ask, age))
        return given

    def _room(self, worker: str) -> int:
        return math.ceil(self._in_flight / self.workers) - self._held[worker]

    def _wake(self) -> None:
        """Have those fetch what waits who have the least, and no more of them than are needed for it."""
        while len(self._waiting) > self._fetched and self._parked:
            worker = min(self._parked, key=self._held.__getitem__)
            if (room := self._room(worker)) <= 0:
                return
            self._fetched += room
            self._parked.pop(worker).set_result(room)

    def heard(self, worker: str) -> None:
        """A worker lives."""
        if worker not in self._gone:
            self._quiet[worker] = 0.0

    def quiet(self) -> Mapping[str, float]:
        """Seconds for which each worker has said nothing, as far as there was somebody to hear it."""
        now = asyncio.get_running_loop().time()
        passed, self._looked = min(now - self._looked, LOOKED), now
        for worker in self._quiet:
            self._quiet[worker] += passed
        return self._quiet

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

    def dismiss(self, worker: str) -> None:
        """A worker gets nothing more. What it has may still end."""
        self._gone.add(worker)
        self._quiet.pop(worker, None)
        if (parked := self._parked.pop(worker, None)) is not None:
            parked.set_result(0)

    def lose(self, worker: str) -> int:
        """A worker is gone; the result is how many calls it had."""
        self.dismiss(worker)
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
