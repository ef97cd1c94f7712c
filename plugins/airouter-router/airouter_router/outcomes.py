"""What came of the attempts of one call: what is learned of each, and whether another one may follow."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from airouter_core.errors import AirouterError, CallVetoedError, ConfigurationError, ExecutionError
from airouter_core.values.response import Attempt, Response
from airouter_core.values.usage import Usage
from airouter_core.wire.rate_limits import rate_limits

from .affinity import life_of
from .attempts import RunningAttempt
from .failures import can_be_repeated, retry_after, word_of
from .final_errors import failed_attempt
from .health import OF_ACCOUNT
from .opening import Opening
from .resuming import Prefill, can_resume
from .routes import Target
from .selection import Selection
from .situation import Knowledge, Situation
from .strategies import Candidate

FIRST_DELAY = 0.5
"""Seconds before a target is asked again that has failed in this call; doubled each time."""
LONGEST_DELAY = 8.0


class Outcomes:
    """What came of the attempts of one call.

    Attributes:
        trail: all of them, for the response or the error.
        made: how many were sent.
        last: the failure after which somebody else is to be asked.
        refused: what was wrong with the ask itself, for a target that was not sent it.
        prefill: the words of those who broke off, for somebody to go on with.
    """

    def __init__(self, situation: Situation, selection: Selection, trail: list[Attempt]) -> None:
        self._situation = situation
        self._knowledge: Knowledge = situation.knowledge
        self._selection = selection
        self._failures: dict[Target, int] = {}
        self.trail = trail
        self.made = 0
        self.last: AirouterError | None = None
        self.refused: ConfigurationError | None = None
        self.prefill: Prefill | None = None

    def unanswered(self, attempts: Iterable[RunningAttempt], *, is_time: bool) -> bool:
        """Take note of attempts without an answer; whether that ends the call.

        Args:
            is_time: whether there is any left.
        """
        ends = False
        for attempt in attempts:
            self._hear_limits(attempt)
            if attempt.error is None:
                self._lost(attempt)
            elif isinstance(attempt.error, ExecutionError):
                ends = self._failed(attempt, attempt.error, is_time=is_time) or ends
            elif isinstance(attempt.error, ConfigurationError):
                self._not_sent(attempt, attempt.error)
            else:
                ends = True
            attempt.lease.give_back()
        return ends

    def answered(self, attempt: RunningAttempt, value: Any) -> Any:
        """Take note of the answer; as the caller gets it."""
        knowledge, target = self._knowledge, attempt.target
        self._hear_limits(attempt)
        now = knowledge.clock()
        knowledge.health.succeeded(target)
        first = attempt.gate.first if isinstance(attempt.gate, Opening) else None
        knowledge.statistics.add(
            target, (now if first is None else first) - attempt.began, now, stream=self._situation.ask.stream
        )
        if not isinstance(value, Response):
            attempt.lease.give_back()
            return value
        attempt.lease.give_back(value.usage.total_tokens)
        if attempt.candidate.sticky:
            self._remember(attempt.candidate, value, now)
        knowledge.origins.remember(value.message, target.provider)
        cost = value.cost or knowledge.price_of(target, value.usage)
        self.trail.append(
            Attempt(target.address, "complete", request_id=value.request_id, seconds=now - attempt.began, cost=cost)
        )
        if self.prefill is not None:
            value, cost = self.prefill.with_rest(value, target), None
        return msgspec.structs.replace(value, cost=cost, attempts=tuple(self.trail), served_by=target.address)

    def _hear_limits(self, attempt: RunningAttempt) -> None:
        """Learn from the headers of an answer what its vendor's limits are."""
        head = None if attempt.scope is None else attempt.scope.head
        if head is not None and (limits := rate_limits(head.headers, self._knowledge.wall())):
            self._knowledge.leases.hear(attempt.target, limits, attempt.began)

    def _lost(self, attempt: RunningAttempt) -> None:
        """It was slower than another: it has cost the reading of what was sent, at least."""
        cost = self._knowledge.price_of(attempt.target, Usage(self._situation.tokens, 0))
        seconds = self._knowledge.clock() - attempt.began
        self.trail.append(
            Attempt(attempt.target.address, "cancelled", "another one answered", seconds=seconds, cost=cost)
        )

    def _not_sent(self, attempt: RunningAttempt, error: ConfigurationError) -> None:
        self.made -= 1
        self.refused = self.refused or error
        attempt.lease.give_back(0)
        self._selection.pass_over(attempt.target, str(error))

    def _failed(self, attempt: RunningAttempt, error: ExecutionError, *, is_time: bool) -> bool:
        """Take note of a failure; whether it ends the call."""
        if isinstance(error, CallVetoedError):
            return self._vetoed(attempt, error)
        knowledge, target, word = self._knowledge, attempt.target, word_of(error)
        now = knowledge.clock()
        knowledge.health.failed(
            target, word, now, retry_after=retry_after(error), cooldown=knowledge.limits(target).cooldown
        )
        self.trail.append(failed_attempt(target, error, word, now - attempt.began, self._spent(target, error.partial)))
        goes_on = word in self._situation.route.on and not error.attempts
        if attempt.gate.is_open:
            goes_on = goes_on and can_resume(self._situation, word, error)
        self._keep_begun(attempt, error, to_resume=goes_on and attempt.gate.is_open)
        if not goes_on or not is_time:
            return True
        self.last = error
        if word in OF_ACCOUNT:
            self._selection.shut_out(target.provider)
        if can_be_repeated(error):
            self._ask_again(attempt.candidate, word, retry_after(error))
        return False

    def _vetoed(self, attempt: RunningAttempt, error: CallVetoedError) -> bool:
        """Somebody here has refused to send it, a budget for instance: no attempt was made, and nobody is unwell."""
        self.made -= 1
        attempt.lease.give_back(0)
        self._selection.pass_over(attempt.target, str(error))
        self.last = error
        return word_of(error) not in self._situation.route.on

    def _keep_begun(self, attempt: RunningAttempt, error: ExecutionError, *, to_resume: bool) -> None:
        before, partial = self.prefill, error.partial
        if partial is None:
            return
        if to_resume:
            self.prefill = Prefill(partial, attempt.target, before)
            self._selection.resumes = True
        if before is not None:
            error.partial = before.with_rest(partial, attempt.target)  # what the reader has seen is the words of both

    def _ask_again(self, candidate: Candidate, word: str, wait: float | None) -> None:
        knowledge = self._knowledge
        times = self._failures[candidate.target] = self._failures.get(candidate.target, 0) + 1
        delay = min(FIRST_DELAY * 2 ** (times - 1), LONGEST_DELAY) * (0.5 + knowledge.chance() / 2)
        self._selection.put_aside(candidate, knowledge.clock() + max(delay, wait or 0.0), f"it failed: {word}")

    def _remember(self, candidate: Candidate, response: Response, now: float) -> None:
        """Where the conversation is now: at once if it has a name, else once a cache is seen to hold it."""
        situation = self._situation
        cached = response.usage.cache_read_tokens or response.usage.cache_write_tokens
        if (situation.named_key is None and not cached) or situation.key is None:
            return
        life = life_of(situation.ask)
        for label, index in candidate.sticky:
            self._knowledge.affinity.remember(label, situation.key, index, now, life)

    def _spent(self, target: Target, partial: Response | None) -> Any:
        """What a failed attempt has cost, as far as that is known."""
        if partial is None:
            return None
        return partial.cost or self._knowledge.price_of(target, partial.usage)
