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
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airouter_core.errors import AirouterError, RateLimitedError
from airouter_core.provider.facade import Provider
from airouter_core.values.ask import Ask
from airouter_core.values.response import Response
from airouter_core.wire.rate_limits import RateLimit

from . import outcomes
from .answering import Answering, by_provider
from .counts import Counts, size_of
from .delayed import Clock, Delayed
from .feed import Feed
from .journal import attempts
from .journal.records import Booking, Call, Ended, Job, Settled, Verdict
from .journal.writer import Writer
from .money import pico
from .pace import Pace
from .questions import Questions
from .reports import State
from .rows import row_of
from .spec import Spec
from .tariff import Tariff

USUAL_OUTPUT = 200.0
"""Tokens of an answer that are expected before any was seen."""


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
        self._answering = answering or by_provider(provider, self.heard)
        self._kept = kept
        self._wait_before = wait_before
        self._clock: Clock = asyncio.get_running_loop()
        self._pace = Pace(self._clock.time(), spec.in_flight, spec.requests_per_minute, spec.tokens_per_minute, lag=lag)
        cap = None if spec.budget is None else pico(spec.budget)
        self._book = functools.partial(attempts.book, run=run, cap=cap)
        self._settle = functools.partial(attempts.settle, run=run)
        self._output = USUAL_OUTPUT
        self._delayed = Delayed(self._clock)
        self._running: set[asyncio.Task[None]] = set()
        self._unwritten = 0
        self._wake = asyncio.Event()
        self._short = self._stopped = False
        self._broken: BaseException | None = None
        self.counts = Counts()
        self.state: State = "running"
        self.reason: str | None = None

    @property
    def limits(self) -> Mapping[str, RateLimit]:
        """The vendor's own, as far as its answers have told of them."""
        return self._pace.limits

    def heard(self, limits: Mapping[str, RateLimit]) -> None:
        """Keep to what an answer says of the limits of whoever asks."""
        self._pace.learned(self._clock.time(), limits)

    def pause(self, state: State, reason: str) -> None:
        """Begin no further call; those under way end as they would."""
        if self.state == "running":
            self.state, self.reason = state, reason
        self._wake.set()

    def stop(self) -> None:
        """End at once: calls under way are given up, and found as uncertain by the next run."""
        self.pause("paused", "stopped at once")
        self._stopped = True
        for task in self._running:
            task.cancel()

    async def run(self, feed: Feed, only: Iterable[Job] | None = None) -> None:
        """Ask until there is nothing more to ask, or the run is paused.

        Args:
            only: these jobs, in place of the feed's.

        Raises:
            JournalError: the journal cannot be written.
        """
        given = None if only is None else iter(only)
        try:
            while self.state == "running" and self._broken is None:
                if self._under_way >= self._pace.in_flight:
                    await self._woken()
                elif self._short and self._under_way:
                    await self._woken()  # what is under way gives back what it does not cost
                elif self._short:
                    self.pause("cap", f"the next call might exceed the budget of {self.spec.budget} USD")
                elif (job := await self._drawn(feed, given)) is not None:
                    await self._dispatch(job)
                elif self._delayed or self._under_way:
                    await self._woken(self._delayed.until_due())
                else:
                    return
        finally:
            await self._drained()
        if self._broken is not None:
            raise self._broken

    @property
    def _under_way(self) -> int:
        return self._unwritten + len(self._running)

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
        tokens = size_of(ask) + self._output if self._pace.counts_tokens else 0.0
        while self.state == "running" and (delay := self._pace.delay(self._clock.time(), tokens)) > 0:
            await self._woken(delay)
        if self.state != "running":
            return
        self._pace.take(self._clock.time(), tokens)
        reserve = self._tariff.most(ask)
        self._put(self._book, Booking(job.item, reserve), functools.partial(self._booked, job, ask, tokens, reserve))

    def _booked(self, job: Job, ask: Ask, tokens: float, reserve: int, number: int | None) -> None:
        if number is None:
            self._short = True
            self._again(job, 0.0)
        elif number and not self._stopped:  # without a number the item is not to be asked any more
            task = asyncio.create_task(self._asked(job, ask, tokens, reserve, number))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _asked(self, job: Job, ask: Ask, tokens: float, reserve: int, number: int) -> None:
        """One call that is booked."""
        response, error = await self._answer(ask, Call(job.item, number))
        settled = Settled(job, number, reserve, self._settled(job, response, error, tokens))
        self._put(self._settle, settled, functools.partial(self._known, settled, response, error))

    def _known(self, settled: Settled, response: Response | None, error: AirouterError | None, _: None) -> None:
        """The journal has the end of a call: what becomes of its item."""
        job, number, reserve, ended = settled
        self._short = False
        self.counts.add(ended, reserve)
        if ended.item == "pending" and error is not None:
            unsent = isinstance(error, outcomes.NotSentError)
            again = job._replace(tries=ended.tries, ask=None)  # another call is another ask
            self._again(again, 0.0 if unsent else self._wait_before(max(ended.tries, 1), error, random.random()))
        elif response is not None and ended.item == "answered":
            self.judge(job, response)
        if self._kept is not None:
            self._kept(Call(job.item, number))

    async def take(self, call: Call, answer: Response | AirouterError) -> None:
        """Settle a call that was held for uncertain: the process, or whoever made it, was thought to be gone."""

        def ended(job: Job) -> Ended:
            if isinstance(answer, Response):
                return outcomes.answered(job, answer, self._tariff, validates=self._questions.validates(job))
            return outcomes.failed(job, answer, self._tariff, self.spec)

        taken = await self._writer.do(lambda db: attempts.late(db, call, ended))
        if taken is not None and isinstance(answer, Response):
            job, end = taken
            self.counts.add(end, 0)
            if end.item == "answered":
                self.judge(job, answer)

    async def _answer(self, ask: Ask, call: Call) -> tuple[Response | None, AirouterError | None]:
        # It may have closed, or the run been paused, while the journal was written.
        while self.state == "running" and (closed := self._pace.closed(self._clock.time())) > 0:
            await self._woken(closed)
        if self.state != "running":
            return None, outcomes.NotSentError("the run was paused before this was sent")
        try:
            return await self._answering(ask, call), None
        except AirouterError as error:
            return None, error

    def _settled(self, job: Job, response: Response | None, error: AirouterError | None, tokens: float) -> Ended:
        now = self._clock.time()
        if response is not None:
            if response.usage.output_tokens is not None:
                self._output += (response.usage.output_tokens - self._output) / 20
            self._pace.settle(now, tokens, response.usage.total_tokens)
            return outcomes.answered(job, response, self._tariff, validates=self._questions.validates(job))
        assert error is not None
        retry_after = getattr(error, "retry_after", None)
        if isinstance(error, RateLimitedError) or retry_after:
            self._pace.refused(now, retry_after)
        if outcomes.pauses(error):
            self.pause("paused", f"{outcomes.class_of(error)}: {error}")
        return outcomes.failed(job, error, self._tariff, self.spec)

    def judge(self, job: Job, response: Response) -> None:
        """Validate an answer that the journal has; one that does not fit is asked for again, or given up."""
        problem = self._questions.problem(job, response)
        if problem is not None and job.reasks < self.spec.reasks:
            again = job._replace(reasks=job.reasks + 1, correction=(response.text, problem), ask=None)
            self._put(attempts.judge, Verdict(job.item, "pending", problem), lambda _: self._again(again, 0.0))
        else:
            self._judged(job, problem)

    def _judged(self, job: Job, problem: str | None) -> None:
        def count(_: None) -> None:
            self.counts.valid += problem is None
            self.counts.failed += problem is not None

        self._put(attempts.judge, Verdict(job.item, "valid" if problem is None else "invalid", problem), count)

    def _put(self, function: Any, piece: Any, then: Callable[[Any], None]) -> None:
        """Have something written; ``then`` goes on with what came of it."""
        self._unwritten += 1
        self._writer.put(function, piece, functools.partial(self._written, then))

    def _written(self, then: Callable[[Any], None], result: Any, error: Exception | None) -> None:
        try:
            if error is not None:
                raise error
            then(result)
        except Exception as failure:  # nobody awaits this: the run is given up, and says why
            self._broken = self._broken or failure
        self._unwritten -= 1
        self._wake.set()

    def _again(self, job: Job, seconds: float) -> None:
        self._delayed.add(job, seconds)
        self._wake.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken = self._broken or error
        self._wake.set()

    async def _woken(self, seconds: float | None = None) -> None:
        """Wait until something has happened, or for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def rest(self, seconds: float) -> None:
        """Wait for so long, or until the run is paused."""
        end = self._clock.time() + seconds
        while self.state == "running" and (left := end - self._clock.time()) > 0:
            await self._woken(left)

    async def _drained(self) -> None:
        while self._under_way:
            await self._woken()
