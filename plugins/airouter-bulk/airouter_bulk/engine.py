"""One run on one event loop: a dispatcher that draws jobs at the target's pace, and a task for each call under way.

The journal leads: a call is booked in it before it is made, and an answer is in it before it is counted or parsed. So
a process may end at any moment, and what is asked twice is at most what was under way. Rows that failed wait in a heap
until their time has come and are then drawn before new ones; while many wait there, no new ones are drawn.

A job goes from step to step by what the journal is given and what it tells when that is written: no task waits for it.
From being drawn until nothing of it is to be written any more, a job is under way.
"""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import Callable, Iterable
from typing import Any

from airouter_core.errors import AirouterError
from airouter_core.provider.facade import Provider
from airouter_core.values.ask import Ask
from airouter_core.values.response import Response

from . import outcomes
from .answering import Answering, by_provider
from .counts import Counts
from .delayed import Clock, Delayed
from .feed import Feed
from .journal import attempts
from .journal.records import Booking, Call, Ended, Job, Settled, Verdict
from .journal.writer import Writer
from .money import pico
from .questions import Questions
from .reports import State
from .rhythm import Rhythm
from .rows import row_of
from .spec import Spec
from .tariff import Tariff
from .under_way import UnderWay


class Engine:
    """Asks everything that a feed gives.

    Args:
        answering: makes the calls; the provider itself unless given.
        kept: is told of each call whose end the journal has.
        lag: seconds that may pass between a permit and its call; limits are kept for all that.
        wait_before: seconds until a row is asked again; see :func:`airouter_bulk.outcomes.wait_before`.
    """

    def __init__(
        self,
        spec: Spec,
        run: int,
        provider: Provider[Any],
        questions: Questions,
        tariff: Tariff,
        writer: Writer,
        *,
        answering: Answering | None = None,
        kept: Callable[[Call], None] | None = None,
        lag: float = 0.0,
        wait_before: Callable[[int, AirouterError, float], float] = outcomes.wait_before,
    ) -> None:
        self.spec = spec
        self._questions = questions
        self._tariff = tariff
        self._writer = writer
        self._kept = kept
        self._wait_before = wait_before
        self._clock: Clock = asyncio.get_running_loop()
        self.rhythm = Rhythm(spec, self._clock, lag)
        self._answering = answering or by_provider(provider, self.rhythm.heard)
        cap = None if spec.budget is None else pico(spec.budget)
        self._book = functools.partial(attempts.book, run=run, cap=cap)
        self._settle = functools.partial(attempts.settle, run=run)
        self._delayed = Delayed(self._clock)
        self._under_way = UnderWay(writer)
        self._short = self._stopped = False
        self.counts = Counts()
        self.state: State = "running"
        self.reason: str | None = None

    def pause(self, state: State, reason: str) -> None:
        """Begin no further call; those under way end as they would."""
        if self.state == "running":
            self.state, self.reason = state, outcomes.words_of(reason)
        self._under_way.wake()

    def stop(self) -> None:
        """End at once: calls under way are given up, and found as uncertain by the next run."""
        self.pause("paused", "stopped at once")
        self._stopped = True
        self._under_way.cancel()

    async def run(self, feed: Feed, only: Iterable[Job] | None = None) -> None:
        """Ask until there is nothing more to ask, or the run is paused.

        Args:
            only: these jobs, in place of the feed's.

        Raises:
            JournalError: the journal cannot be written.
        """
        given = None if only is None else iter(only)
        try:
            while self.state == "running" and self._under_way.broken is None:
                if len(self._under_way) >= self.rhythm.in_flight:
                    await self._under_way.woken()
                elif self._short and self._under_way:
                    await self._under_way.woken()  # what is under way gives back what it does not cost
                elif self._short:
                    self.pause("cap", f"the next call might exceed the budget of {self.spec.budget} USD")
                elif (job := await self._drawn(feed, given)) is not None:
                    await self._dispatch(job)
                elif self._delayed or self._under_way:
                    await self._under_way.woken(self._delayed.until_due())
                else:
                    return
        finally:
            await self._under_way.drained()
        if self._under_way.broken is not None:
            raise self._under_way.broken

    async def _drawn(self, feed: Feed, given: Any) -> Job | None:
        if (due := self._delayed.take()) is not None:
            return due
        if len(self._delayed) >= 2 * self.spec.in_flight:
            return None
        if given is not None:
            return next(given, None)
        if feed.waiting or await self._writer.aside(feed.fill):
            return feed.take()
        return None

    async def _dispatch(self, job: Job) -> None:
        ask = job.ask
        if ask is None:
            try:
                ask = self._questions.ask(row_of(job.data), job.correction)
            except (AirouterError, ValueError) as error:  # it was asked once, so the specification has changed since
                self._judged(job, str(error))
                return
        tokens = self.rhythm.tokens(ask)
        while self.state == "running" and (delay := self.rhythm.delay(tokens)) > 0:
            await self._under_way.woken(delay)
        if self.state != "running":
            return
        self.rhythm.take(tokens)
        reserve = self._tariff.most(ask)
        self._under_way.write(
            self._book, Booking(job.item, reserve), functools.partial(self._booked, job, ask, tokens, reserve)
        )

    def _booked(self, job: Job, ask: Ask, tokens: float, reserve: int, number: int | None) -> None:
        if number is None:
            self._short = True
            self._again(job, 0.0)
        elif number and not self._stopped:  # without a number the item is not to be asked any more
            self._under_way.begin(self._asked(job, ask, tokens, reserve, number))

    async def _asked(self, job: Job, ask: Ask, tokens: float, reserve: int, number: int) -> None:
        """One call that is booked."""
        answer = await self._answer(ask, Call(job.item, number))
        self.rhythm.learn(answer, tokens)
        if isinstance(answer, AirouterError) and outcomes.pauses(answer):
            self.pause("paused", f"{outcomes.class_of(answer)}: {answer}")
        settled = Settled(job, number, reserve, self._end(job, answer))
        self._under_way.write(self._settle, settled, functools.partial(self._known, settled, answer))

    def _known(self, settled: Settled, answer: Response | AirouterError, _: None) -> None:
        """The journal has the end of a call: what becomes of its item."""
        job, number, reserve, ended = settled
        self._short = False
        self.counts.add(ended, reserve)
        if isinstance(answer, Response):
            if ended.item == "answered":
                self.judge(job, answer)
        elif ended.item == "pending":
            unsent = isinstance(answer, outcomes.NotSentError)
            again = job._replace(tries=ended.tries, ask=None)  # another call is another ask
            self._again(again, 0.0 if unsent else self._wait_before(max(ended.tries, 1), answer, random.random()))
        if self._kept is not None:
            self._kept(Call(job.item, number))

    async def take(self, call: Call, answer: Response | AirouterError) -> None:
        """Settle a call that was held for uncertain: the process, or whoever made it, was thought to be gone."""
        taken = await self._writer.do(lambda db: attempts.late(db, call, lambda job: self._end(job, answer)))
        if taken is not None and isinstance(answer, Response):
            job, end = taken
            self.counts.add(end, 0)
            if end.item == "answered":
                self.judge(job, answer)

    async def _answer(self, ask: Ask, call: Call) -> Response | AirouterError:
        # It may have closed, or the run been paused, while the journal was written.
        while self.state == "running" and (closed := self.rhythm.closed()) > 0:
            await self._under_way.woken(closed)
        if self.state != "running":
            return outcomes.NotSentError("the run was paused before this was sent")
        try:
            return await self._answering(ask, call)
        except AirouterError as error:
            return error

    def _end(self, job: Job, answer: Response | AirouterError) -> Ended:
        if isinstance(answer, Response):
            return outcomes.answered(job, answer, self._tariff, validates=self._questions.validates(job))
        return outcomes.failed(job, answer, self._tariff, self.spec)

    def judge(self, job: Job, response: Response) -> None:
        """Validate an answer that the journal has; one that does not fit is asked for again, or given up."""
        problem = self._questions.problem(job, response)
        if problem is not None and job.reasks < self.spec.reasks and response.refusal is None:
            again = job._replace(reasks=job.reasks + 1, correction=(response.text, problem), ask=None)
            self._under_way.write(
                attempts.judge, Verdict(job.item, "pending", problem), lambda _: self._again(again, 0.0)
            )
        else:
            self._judged(job, problem)

    def _judged(self, job: Job, problem: str | None) -> None:
        def count(_: None) -> None:
            self.counts.valid += problem is None
            self.counts.failed += problem is not None

        self._under_way.write(
            attempts.judge, Verdict(job.item, "valid" if problem is None else "invalid", problem), count
        )

    def _again(self, job: Job, seconds: float) -> None:
        self._delayed.add(job, seconds)
        self._under_way.wake()

    async def rest(self, seconds: float) -> None:
        """Wait for so long, or until the run is paused."""
        end = self._clock.time() + seconds
        while self.state == "running" and (left := end - self._clock.time()) > 0:
            await self._under_way.woken(left)
