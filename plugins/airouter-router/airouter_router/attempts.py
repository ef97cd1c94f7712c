"""One call of a route: who is asked, who is asked next, and when it is over. The one owner of attempts and of time.

Candidates come one by one from the tree. Whoever may not be asked is passed over; whoever is resting or full is put
aside, and comes to turn when nobody else is left. A failure of a class that the route goes on after leads to the next
one; any other ends the call, and so does an answer that has begun to be handed on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from airouter_core.errors import (
    AirouterError,
    ConfigurationError,
    ExecutionError,
    ProviderError,
    RateLimitedError,
    UnsupportedFeatureError,
)
from airouter_core.flow.steps import Delegate, Do, Emit, Flow, Sleep
from airouter_core.provider.facade import Provider
from airouter_core.values.ask import Ask
from airouter_core.values.response import Attempt, Response
from airouter_core.wire.rate_limits import rate_limits

from .affinity import life_of
from .eligibility import Eligibility
from .failures import can_be_repeated, retry_after, word_of
from .health import OF_ACCOUNT
from .limits import Lease
from .opening import Opening, Whole
from .routes import Target
from .situation import USUAL_ANSWER, Knowledge, Situation
from .strategies import Candidate, candidates

FIRST_DELAY = 0.5
"""Seconds before a target is asked again that has failed in this call; doubled each time."""
LONGEST_DELAY = 8.0
LONGEST_WAIT = 120.0
"""Seconds that are waited for anybody where the route has no deadline."""


class Waiting(msgspec.Struct, eq=False):
    """A candidate that was put aside until ``ready``; those of rank 0 come before those of rank 1."""

    candidate: Candidate
    ready: float
    rank: int
    reason: str


class Call:
    """One ask of one route.

    Args:
        provider: gives the provider of a name.
        within: seconds for the whole call.
    """

    def __init__(
        self, situation: Situation, provider: Callable[[str], Provider[Any]], within: float | None = None
    ) -> None:
        self._situation = situation
        self._knowledge: Knowledge = situation.knowledge
        self._provider = provider
        self._until = None if within is None else situation.now + within
        self._eligibility = Eligibility(situation)
        self._pending = candidates(situation.route.tree, situation)
        self._ahead: list[Candidate] = []
        self._aside: list[Waiting] = []
        self._seen: set[Target] = set()
        self._dead: set[str] = set()
        self._trail: list[Attempt] = []
        self._made = 0
        self._failures: dict[Target, int] = {}
        self._last: AirouterError | None = None
        self._refused: ConfigurationError | None = None

    def flow(self) -> Flow[Any]:
        """Ask until somebody has answered.

        Raises:
            ConfigurationError: nobody may be asked this.
            ExecutionError: nobody has answered; ``attempts`` tells of each.
        """
        yield from self._share()
        while True:
            candidate, lease = yield from self._next()
            try:
                answered, value = yield from self._attempt(candidate, lease)
            finally:
                lease.give_back()
            if answered:
                return value

    # Who is next.

    def _next(self) -> Flow[tuple[Candidate, Lease]]:
        while True:
            if self._last is not None and self._made >= self._situation.route.attempts:
                raise self._over(self._last)
            candidate = self._fresh()
            if candidate is None:
                candidate = yield from self._awaited()
            lease = self._leased(candidate)
            if lease is not None:
                return candidate, lease

    def _fresh(self) -> Candidate | None:
        """The next candidate of the tree that can be asked now."""
        while (candidate := self._pulled()) is not None:
            target = candidate.target
            if target in self._seen:
                continue
            self._seen.add(target)
            if reason := self._eligibility.refusal(target):
                self._pass_over(target, reason)
                continue
            if target.provider in self._dead:
                self._pass_over(target, "its key was refused in this call")
                continue
            now = self._knowledge.clock()
            bench = self._knowledge.health.bench(target, now)
            if bench is None:
                return candidate
            ready = bench.until if bench.failure == "rate_limit" else now
            self._put_aside(candidate, ready, f"it rests after {bench.failure}", rank=0 if bench.passes else 1)
        return None

    def _pulled(self) -> Candidate | None:
        return self._ahead.pop(0) if self._ahead else next(self._pending, None)

    def _is_last(self) -> bool:
        """Whether nobody else is left to be asked."""
        if self._aside:
            return False
        while (following := next(self._pending, None)) is not None:
            if following.target not in self._seen and self._eligibility.refusal(following.target) is None:
                self._ahead.append(following)
                return False
        return True

    def _awaited(self) -> Flow[Candidate]:
        """Whoever was put aside and is ready first; waited for."""
        if not self._aside:
            raise self._nobody()
        first = min(self._aside, key=lambda waiting: (waiting.rank, waiting.ready))
        wait = first.ready - self._knowledge.clock()
        if wait > 0:
            if wait > self._left():
                raise self._over(self._last) if self._last is not None else self._all_busy(wait)
            yield Sleep(wait)
        self._aside.remove(first)
        return first.candidate

    def _leased(self, candidate: Candidate) -> Lease | None:
        knowledge, situation = self._knowledge, self._situation
        tokens = 0
        if knowledge.leases.counts_tokens(candidate.target):
            tokens = situation.tokens + (situation.answer_tokens or USUAL_ANSWER)
        now = knowledge.clock()
        lease = knowledge.leases.take(candidate.target, tokens, now)
        if isinstance(lease, Lease):
            return lease
        if lease is None:
            self._pass_over(candidate.target, f"about {tokens} tokens are more than it may be sent in a minute")
        else:
            self._put_aside(candidate, now + lease, "its limit is reached")
        return None

    def _put_aside(self, candidate: Candidate, ready: float, reason: str, rank: int = 0) -> None:
        self._aside.append(Waiting(candidate, ready, rank, reason))

    def _pass_over(self, target: Target, reason: str) -> None:
        self._trail.append(Attempt(str(target), "refused", reason))

    def _left(self) -> float:
        return LONGEST_WAIT if self._until is None else self._until - self._knowledge.clock()

    # One attempt.

    def _attempt(self, candidate: Candidate, lease: Lease) -> Flow[tuple[bool, Any]]:
        situation, knowledge, target = self._situation, self._knowledge, candidate.target
        gate = Opening(str(target), knowledge.clock) if situation.ask.stream else Whole(str(target))
        asked = situation.ask.asked_as(attempt=self._made + 1, model=target.model, deadline=None)
        began = knowledge.clock()
        scope: Delegate | None = None
        try:
            self._made += 1
            flow = self._provider(target.provider).flow_of(asked)
            scope = Delegate(flow, gate, opens_within=self._patience())
            value = yield scope
        except ConfigurationError as error:  # nothing was sent
            self._made -= 1
            self._refused = self._refused or error
            lease.give_back(0)
            self._pass_over(target, str(error))
            return False, None
        except ExecutionError as error:
            self._learn(target, scope, began)
            ends = self._failed(candidate, error, began, is_open=gate.is_open)
            yield from self._share()
            if ends:
                raise self._over(error) from error.__cause__
            return False, None
        self._learn(target, scope, began)
        if not gate.is_open and (held := gate.open()):
            yield Emit(held)
        answered = self._answered(candidate, asked, lease, value, began, gate.first)
        yield from self._share()
        return True, answered

    def _patience(self) -> float | None:
        """Seconds until a stream must have begun; whoever is the last to ask has as long as it takes."""
        route = self._situation.route
        if route.first_event_timeout is None or not self._situation.ask.stream:
            return None
        return None if self._made >= route.attempts or self._is_last() else route.first_event_timeout

    def _share(self) -> Flow[None]:
        """Tell other processes, and hear of them, where it is time."""
        if self._knowledge.is_to_share(self._situation.now):
            yield Do(self._knowledge.share)

    def _learn(self, target: Target, scope: Delegate | None, sent: float) -> None:
        """Learn from the headers of an answer what its vendor's limits are."""
        head = None if scope is None else scope.head
        if head is not None and (limits := rate_limits(head.headers, self._knowledge.wall())):
            self._knowledge.leases.hear(target, limits, sent)

    def _failed(self, candidate: Candidate, error: ExecutionError, began: float, *, is_open: bool) -> bool:
        """Take note of a failure; whether it ends the call."""
        knowledge, target, word = self._knowledge, candidate.target, word_of(error)
        now = knowledge.clock()
        knowledge.health.failed(
            target, word, now, retry_after=retry_after(error), cooldown=knowledge.limits(target).cooldown
        )
        self._trail.append(_failure(target, error, word, now - began, self._spent(target, error.partial)))
        goes_on = word in self._situation.route.on and not is_open and not error.attempts
        if not goes_on or self._left() <= 0:
            return True
        self._last = error
        if word in OF_ACCOUNT:
            self._dead.add(target.provider)
        if can_be_repeated(error):
            times = self._failures[target] = self._failures.get(target, 0) + 1
            delay = min(FIRST_DELAY * 2 ** (times - 1), LONGEST_DELAY) * (0.5 + knowledge.chance() / 2)
            self._put_aside(candidate, now + max(delay, retry_after(error) or 0.0), f"it failed: {word}")
        return False

    def _answered(
        self, candidate: Candidate, asked: Ask, lease: Lease, value: Any, began: float, first: float | None
    ) -> Any:
        situation, knowledge, target = self._situation, self._knowledge, candidate.target
        now = knowledge.clock()
        knowledge.health.succeeded(target)
        seconds = (now if first is None else first) - began
        knowledge.statistics.add(target, seconds, now, stream=situation.ask.stream)
        if not isinstance(value, Response):
            lease.give_back()
            return value
        lease.give_back(value.usage.total_tokens)
        self._remember(candidate, value, now)
        cost = value.cost or knowledge.price_of(target, value.usage)
        self._trail.append(
            Attempt(str(target), "complete", request_id=value.request_id, seconds=now - began, cost=cost)
        )
        return msgspec.structs.replace(value, cost=cost, attempts=tuple(self._trail), served_by=str(target))

    def _remember(self, candidate: Candidate, response: Response, now: float) -> None:
        """Where the conversation is now: at once if it has a name, else once a cache is seen to hold it."""
        situation = self._situation
        nodes = [(node, index) for node, index in candidate.path if node.strategy not in ("first", "when")]
        cached = response.usage.cache_read_tokens or response.usage.cache_write_tokens
        if not nodes or (situation.named_key is None and not cached) or situation.key is None:
            return
        life = life_of(situation.ask)
        for node, index in nodes:
            self._knowledge.affinity.remember(node.label, situation.key, index, now, life)

    def _spent(self, target: Target, partial: Response | None) -> Any:
        """What a failed attempt has cost, as far as that is known."""
        if partial is None:
            return None
        return partial.cost or self._knowledge.price_of(target, partial.usage)

    # How it ends.

    def _over(self, error: AirouterError) -> AirouterError:
        """An error that ends the call, with all that was tried before."""
        if isinstance(error, ExecutionError):
            error.attempts = (*self._trail, *error.attempts)
            if isinstance(error, ProviderError):
                error.retryable = False  # whoever retries around a route multiplies its attempts
            if len(self._trail) > 1:
                told = "; ".join(f"{attempt.target}: {attempt.failure or attempt.reason}" for attempt in self._trail)
                error.args = (f"{error} (route {self._situation.route.name!r} asked {told})", *error.args[1:])
        return error

    def _nobody(self) -> AirouterError:
        if self._last is not None:
            return self._over(self._last)
        if self._refused is not None:
            return self._refused
        reasons = "; ".join(f"{attempt.target}: {attempt.reason}" for attempt in self._trail)
        return UnsupportedFeatureError(
            f"route {self._situation.route.name!r} has nobody who may be asked this: {reasons or 'it has no targets'}"
        )

    def _all_busy(self, wait: float) -> AirouterError:
        self._trail += [Attempt(str(waiting.candidate.target), "refused", waiting.reason) for waiting in self._aside]
        reasons = "; ".join(f"{waiting.candidate.target}: {waiting.reason}" for waiting in self._aside)
        error = RateLimitedError(
            f"route {self._situation.route.name!r}: nobody can be asked for {wait:.1f} s ({reasons}); "
            "try again then, raise a limit, or add a target",
            retry_after=wait,
        )
        error.attempts = tuple(self._trail)
        return error


def _failure(target: Target, error: ExecutionError, word: str, seconds: float, cost: Any) -> Attempt:
    status = error.status if isinstance(error, ProviderError) else None
    request_id = error.request_id if isinstance(error, ProviderError) else None
    # The class of the error, not its text: that may repeat what was asked.
    return Attempt(str(target), "failed", type(error).__name__, word, status, request_id, seconds, cost)
