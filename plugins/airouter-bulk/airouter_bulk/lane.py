"""The lane of batches: many questions handed in at once, for half the price and within a day.

Handing one in is not repeated by any vendor for free: whoever does it twice pays twice. So the journal has what is
about to be handed in before it is, under a token that the names of all its requests begin with; and when nobody knows
whether the vendor has it (an answer was lost, the process was killed), the vendor's own list is searched for that
token before anything is handed in again.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any, cast

import msgspec

from airouter_core.errors import AirouterError, ConfigurationError, ModelNotFoundError
from airouter_core.provider.batches import TakesBatches
from airouter_core.provider.facade import Provider
from airouter_core.values.ask import Ask
from airouter_core.values.batches import Batch
from airouter_core.values.record import plain
from airouter_core.wire.http import MEBIBYTE

from . import outcomes
from .collecting import Collector
from .engine import Engine
from .errors import SpecError
from .feed import Feed
from .handing_in import is_refusal, request_of
from .journal import attempts, batches
from .journal.batches import Handed
from .journal.records import Booking, Job, Verdict
from .journal.writer import Writer
from .money import pico
from .questions import Questions
from .rows import row_of
from .searching import METADATA, searched
from .tariff import Tariff

LOGGER = logging.getLogger("airouter.bulk")
AT_ONCE = 4
"""Batches that are with the vendor at a time; its limit of tokens that wait is lower for most accounts."""
LARGEST = 90 * MEBIBYTE
"""Of what is asked in one batch; vendors take 200 MB and 256 MB with everything around it."""
LOOKS = 5
"""How often a batch is looked for that nobody has seen: a list may take a moment to show the newest."""


def wait_to_look(number: int) -> float:
    """Seconds before a batch is looked at for the n-th time: seldom, since most take an hour."""
    return float(min(2.0 * 1.5**number, 60.0))


class Lane:
    """Hands in what an engine would ask, and settles what comes back.

    Args:
        wait: seconds before the n-th look at a batch.

    Raises:
        SpecError: the target takes no batches.
    """

    def __init__(
        self,
        engine: Engine,
        run: int,
        provider: Provider[Any],
        questions: Questions,
        tariff: Tariff,
        writer: Writer,
        *,
        wait: Callable[[int], float] = wait_to_look,
    ) -> None:
        if "batches" not in provider.info.capabilities:
            raise SpecError(f'{provider.info.name} takes no batches: leave out lane = "batch"')
        self._engine = engine
        self._spec = engine.spec
        self._run = run
        self._provider = cast("TakesBatches", provider)
        self._questions = questions
        self._tariff = tariff.of_batches()
        self._writer = writer
        self._wait = wait
        self._collector = Collector(engine, run, self._provider, questions, self._tariff, writer)
        self._cap = None if self._spec.budget is None else pico(self._spec.budget)
        self._open: list[Handed] = []
        self._looks: dict[int, int] = {}
        self._takes_more = self._spec.lane == "batch"
        self._refusals = 0
        self._short = self._handed = False

    async def run(self, feed: Feed) -> None:
        """Hand in and collect until nothing is left, or only what is for calls; or the run is paused."""
        self._open = await self._writer.do(lambda db: batches.not_ended(db, self._run))
        self._handed = bool(self._open)
        number = 0
        while self._engine.state == "running":
            while self._hands_in and (jobs := await self._drawn(feed)):
                await self._hand_in(jobs)
            if self._open:
                number = await self._looked(number)
            elif self._short:
                self._engine.pause("cap", f"the next batch might exceed the budget of {self._spec.budget} USD")
            elif self._takes_more and self._handed:
                self._handed = False
                feed.rewind()  # what has come back without an answer may go into another one
            else:
                feed.rewind()
                return
            if self._short and number == 0:
                self._short = False  # what has ended gives back what it did not cost
                feed.rewind()

    @property
    def _hands_in(self) -> bool:
        return self._takes_more and not self._short and len(self._open) < AT_ONCE and self._engine.state == "running"

    async def _drawn(self, feed: Feed) -> list[tuple[Job, Ask]]:
        """What goes into the next batch."""
        found: list[tuple[Job, Ask]] = []
        size = 0
        while len(found) < self._spec.batch_size and size < LARGEST:
            if not (feed.waiting or await self._writer.aside(feed.fill)):
                break
            job = feed.take()
            if self._spec.rest == "calls" and (job.tries or job.reasks):
                continue
            try:
                ask = job.ask or self._questions.ask(row_of(job.data), job.correction)
                self._provider.prepare(ask)
            except (ConfigurationError, ValueError) as error:
                await self._writer.together(attempts.judge, Verdict(job.item, "invalid", str(error)))
                self._engine.counts.failed += 1
                continue
            found.append((job._replace(ask=None), ask))
            size += len(msgspec.json.encode(ask.messages, enc_hook=plain))
        return found

    async def _hand_in(self, jobs: list[tuple[Job, Ask]]) -> None:
        token = secrets.token_hex(8)
        bookings = [Booking(job.item, self._tariff.most(ask)) for job, ask in jobs]
        handed, numbers = await self._writer.do(lambda db: batches.intend(db, self._run, token, bookings, self._cap))
        requests = [
            request_of(token, job, number, ask) for (job, ask), number in zip(jobs, numbers, strict=True) if number
        ]
        self._short = None in numbers
        if not requests:
            return
        self._open.append(handed)
        self._handed = True
        try:
            made = await self._provider.acreate_batch(requests, {METADATA: token})
        except AirouterError as error:
            await self._not_handed_in(handed, error)
        else:
            self._refusals = 0
            await self._is_open(handed, made)

    async def _not_handed_in(self, handed: Handed, error: AirouterError) -> None:
        LOGGER.warning("a batch of %d questions was not handed in: %s", handed.size, error)
        if not is_refusal(error):
            return  # it may have been: it is looked for
        await self._collector.release(handed, outcomes.words_of(error))
        self._open.remove(handed)
        if outcomes.pauses(error):
            self._engine.pause("paused", f"{outcomes.class_of(error)}: {error}")
        elif outcomes.may_pass(error) and self._refused() < LOOKS:
            await self._engine.rest(self._wait(self._refusals))
        else:
            self._close(f"the vendor refuses batches: {error}")

    def _refused(self) -> int:
        """How often in a row no batch was taken, this time included."""
        self._refusals += 1
        return self._refusals

    def _close(self, reason: str) -> None:
        """Hand in no more."""
        self._takes_more = False
        if self._spec.rest == "batch":
            self._engine.pause("paused", reason)

    async def _is_open(self, handed: Handed, batch: Batch) -> None:
        await self._writer.do(lambda db: batches.is_open(db, handed.id, batch.id))
        self._open[self._open.index(handed)] = handed._replace(vendor=batch.id)

    async def _looked(self, number: int) -> int:
        """Look at all that are with the vendor, and wait where none has ended; the result is how often that was."""
        ended = False
        for handed in list(self._open):
            try:
                ended = await self._look(handed) or ended
            except AirouterError as error:
                if outcomes.pauses(error):
                    self._engine.pause("paused", f"{outcomes.class_of(error)}: {error}")
                    return number
                LOGGER.warning("a batch cannot be looked at now: %s", error)
        if ended:
            return 0
        await self._engine.rest(self._wait(number))
        return number + 1

    async def _look(self, handed: Handed) -> bool:
        """Whether something has become of a batch."""
        if handed.vendor is None:
            return await self._sought(handed)
        try:
            batch = await self._provider.aget_batch(handed.vendor)
        except ModelNotFoundError as error:
            await self._collector.give_up(
                handed, outcomes.words_of(f"the vendor has the batch no more: {error}"), known=False
            )
        else:
            if not batch.ended:
                return False
            if not await self._collector.collect(handed, batch) and batch.error:
                self._close(f"the vendor has refused a batch: {batch.error}")
        self._open.remove(handed)
        return True

    # A batch of which nobody knows whether the vendor has it.

    async def _sought(self, handed: Handed) -> bool:
        found, perhaps, beyond = await searched(self._provider, handed, await self._writer.do(batches.known_ids))
        if found is not None:
            await self._is_open(handed, found)
            return True
        if perhaps:
            return False
        self._looks[handed.id] = self._looks.get(handed.id, 0) + 1
        if self._looks[handed.id] < LOOKS:
            return False
        self._open.remove(handed)
        if beyond:
            LOGGER.warning("nobody knows whether the vendor has batch %s: it lists newer ones alone", handed.token)
            await self._collector.lose(handed, "it may be with the vendor, which lists newer batches alone")
        else:
            await self._collector.release(handed, "the vendor has no such batch")
        if self._refused() >= LOOKS:
            self._close("batches are handed in, and the vendor never has them")
        return True
