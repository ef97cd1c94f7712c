"""What comes back of a batch: settled request by request, so that reading it may break off anywhere."""

from __future__ import annotations

from typing import Any, Literal

from airouter_core.provider.batches import TakesBatches
from airouter_core.values.batches import Batch, BatchResult

from . import outcomes
from .engine import Engine
from .handing_in import name_of
from .journal import attempts, batches
from .journal.batches import Handed, Waiting
from .journal.records import Ended, Job, Settled
from .journal.writer import Writer
from .questions import Questions
from .tariff import Tariff

CHUNK = 100
"""Results that are settled by one commit."""


class Collector:
    """Settles the requests of batches.

    Args:
        tariff: of batches.
    """

    def __init__(
        self, engine: Engine, run: int, provider: TakesBatches, questions: Questions, tariff: Tariff, writer: Writer
    ) -> None:
        self._engine = engine
        self._spec = engine.spec
        self._run = run
        self._provider = provider
        self._questions = questions
        self._tariff = tariff
        self._writer = writer

    async def collect(self, handed: Handed, batch: Batch) -> int:
        """Take in what a batch that has ended has answered, and settle the rest of it; the result is how many answers.

        Raises:
            ExecutionError: the results cannot be read now; those that were are kept.
        """
        waiting = {name_of(handed.token, one.job, one.number): one for one in await self._waiting(handed)}
        chunk: list[tuple[Waiting, BatchResult]] = []
        succeeded = 0
        async for result in self._provider.abatch_results(batch.id):
            succeeded += result.outcome == "succeeded"
            if (one := waiting.pop(result.custom_id, None)) is not None:
                chunk.append((one, result))
            if len(chunk) >= CHUNK:
                await self._take(chunk)
                chunk = []
        await self._take(chunk)
        # Of what has no result, somebody is billed where the vendor counts more answers than it has given.
        known = batch.counts.succeeded <= succeeded
        reason = outcomes.words_of(batch.error or f"the batch is {batch.status}, without an answer to this")
        await self.give_up(handed, reason, known=known)
        return succeeded

    async def release(self, handed: Handed, reason: str) -> None:
        """Give back what was booked for a batch that the vendor does not have."""
        waiting = await self._waiting(handed)
        ends = [(one, Ended("unsent", "pending", one.job.tries, 0)) for one in waiting]
        await self._end(handed, ends, "lost", reason)

    async def give_up(self, handed: Handed, reason: str, *, known: bool) -> None:
        """Settle what a batch has not answered.

        Args:
            known: nobody is billed for it; otherwise what was reserved stays booked.
        """
        ends = []
        for one in await self._waiting(handed):
            ended = self._unanswered(one.job, "expired", reason)
            ends.append((one, ended if known else ended._replace(attempt="uncertain", cost=None)))
        await self._end(handed, ends, "collected", reason if ends else None)

    async def lose(self, handed: Handed, reason: str) -> None:
        """Settle a batch of which nobody will know whether the vendor has it: as calls of a process that ended are."""
        item: Literal["uncertain", "pending"] = "uncertain" if self._spec.uncertain == "hold" else "pending"
        ends = [
            (one, Ended("uncertain", item, one.job.tries, failure="expired", error=reason))
            for one in await self._waiting(handed)
        ]
        await self._end(handed, ends, "lost", reason)

    async def _take(self, given: list[tuple[Waiting, BatchResult]]) -> None:
        """Settle some results, and validate the answers among them."""
        ends = [(one, self._ended(one.job, result)) for one, result in given]
        await self._writer.do(lambda db: attempts.settle(db, _settled(ends), run=self._run))
        for (one, ended), (_, result) in zip(ends, given, strict=True):
            self._engine.counts.add(ended, one.reserve)
            if ended.item == "answered" and result.response is not None:
                self._engine.judge(one.job, result.response)

    def _ended(self, job: Job, result: BatchResult) -> Ended:
        if result.response is not None:
            return outcomes.answered(job, result.response, self._tariff, validates=self._questions.validates(job))
        if result.error is None:
            return self._unanswered(job, result.outcome, f"{result.outcome} in the batch, before it was answered")
        ended = outcomes.failed(job, result.error, self._tariff, self._spec)
        return ended._replace(attempt="failed", cost=0, priced_by=None)  # a vendor bills answers only

    def _unanswered(self, job: Job, failure: str, reason: str) -> Ended:
        tries = job.tries + 1
        again = self._spec.rest == "calls" or tries <= self._spec.retries
        return Ended("failed", "pending" if again else "failed", tries, 0, failure=failure, error=reason)

    async def _end(self, handed: Handed, ends: list[tuple[Waiting, Ended]], state: str, reason: str | None) -> None:
        def work(db: Any) -> None:
            attempts.settle(db, _settled(ends), run=self._run)
            batches.end(db, handed.id, state, reason)

        await self._writer.do(work)
        self._engine.counts.failed += sum(ended.item == "failed" for _, ended in ends)

    async def _waiting(self, handed: Handed) -> list[Waiting]:
        return await self._writer.do(lambda db: batches.waiting(db, handed.id))


def _settled(ends: list[tuple[Waiting, Ended]]) -> list[Settled]:
    return [Settled(one.job, one.number, one.reserve, ended) for one, ended in ends]
