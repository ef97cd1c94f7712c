"""One call of a route: who is asked, who is asked next, and when it is over. The one owner of attempts and of time.

Candidates come one by one from the tree. Whoever may not be asked is passed over; whoever is resting or full is put
aside, and comes to turn when nobody else is left. A failure of a class that the route goes on after leads to the next
one; any other ends the call, and so does an answer that has begun to be handed on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from airouter_core.errors import AirouterError, ConfigurationError, ExecutionError
from airouter_core.flow.steps import Do, Flow, Gather, Race, Sleep, delegated
from airouter_core.provider.facade import Provider
from airouter_core.values.response import Attempt, Response
from airouter_core.values.usage import Usage
from airouter_core.wire.rate_limits import rate_limits

from .affinity import life_of
from .catalog import PATIENCE
from .eligibility import Eligibility
from .endings import all_busy, failure, nobody, over
from .failures import can_be_repeated, retry_after, word_of
from .health import OF_ACCOUNT
from .legs import Begun, Leg, gate_of, is_only_read, may_go_on
from .limits import Lease
from .routes import STICKY, Target
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
        self._begun: Begun | None = None

    def flow(self) -> Flow[Any]:
        """Ask until somebody has answered.

        Raises:
            ConfigurationError: nobody may be asked this.
            ExecutionError: nobody has answered; ``attempts`` tells of each.
        """
        yield from self._share()
        if self._situation.route.require == "known":
            yield from self._look_up()
        while True:
            answered, value = yield from self._attempt(self._leg(*(yield from self._next())))
            if answered:
                return value

    def _look_up(self) -> Flow[None]:
        """Have the providers tell what they know of their models, where that is wanted and not known."""
        knowledge = self._knowledge
        names = knowledge.catalog.missing(self._situation.route, knowledge.settings, knowledge.clock())
        if not names:
            return
        lists = [delegated(self._provider(name).operation_flow("list_models"), deadline=PATIENCE) for name in names]
        for name, models in zip(names, (yield Gather(lists)), strict=True):
            if not isinstance(models, Exception):
                knowledge.catalog.learn(name, models, knowledge.clock())

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
            reason = self._eligibility.refusal(target)
            if reason is None and not self._can_go_on(target):
                reason = "it is not known to go on with an answer that was begun (`prefill`)"
            if reason is not None:
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

    def _can_go_on(self, target: Target) -> bool:
        """Whether it may be asked at this point: once an answer was begun, only who goes on with it."""
        return self._begun is None or bool(self._knowledge.limits(target).prefill)

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
        self._aside = [waiting for waiting in self._aside if self._can_go_on(waiting.candidate.target)]
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

    def _attempt(self, leg: Leg) -> Flow[tuple[bool, Any]]:
        """Ask; whether it was answered, and the answer."""
        legs = [leg]
        try:
            winner, value = yield from self._answer(legs)
        except AirouterError as error:
            ends = self._came_to_nothing(legs)
            yield from self._share()
            if ends or error not in [each.error for each in legs]:
                raise self._over(error) from error.__cause__
            return False, None
        finally:
            for each in legs:
                each.lease.give_back()
        self._came_to_nothing([each for each in legs if each is not winner])
        self._learn(winner)
        answered = self._answered(winner, value)
        yield from self._share()
        return True, answered

    def _leg(self, candidate: Candidate, lease: Lease) -> Leg:
        self._made += 1
        asked = self._situation.ask.asked_as(attempt=self._made, model=candidate.target.model, deadline=None)
        seam = None
        if self._begun is not None:
            asked, seam = self._begun.asked(asked), self._begun.seam(candidate.target)
        gate = gate_of(self._situation, candidate.target, seam)
        return Leg(candidate, lease, asked, gate, self._knowledge.clock())

    def _answer(self, legs: list[Leg]) -> Flow[tuple[Leg, Any]]:
        """The value of whoever answers, and who that was; another may be asked beside who is slow."""
        leg, hedge = legs[0], self._situation.route.hedge
        flow = leg.flow(self._provider(leg.target.provider), self._patience())
        if hedge is None or self._made > 1 or not is_only_read(leg.asked):
            return leg, (yield from flow)
        self._knowledge.hedging.called(self._situation.route.name)
        race = Race(flow, lambda: self._spare(legs), hedge)
        yield race
        assert race.winner is not None
        return legs[race.winner], race.value

    def _spare(self, legs: list[Leg]) -> Flow[Any] | None:
        """Somebody to ask beside who is slow, if that is not too often, and there is anybody who can be asked now."""
        if self._made >= self._situation.route.attempts:
            return None
        if not self._knowledge.hedging.may_begin(self._situation.route.name):
            return None
        candidate = self._fresh()
        lease = None if candidate is None else self._leased(candidate)
        if candidate is None or lease is None:
            return None
        self._knowledge.hedging.begun(self._situation.route.name)
        legs.append(self._leg(candidate, lease))
        return legs[1].flow(self._provider(candidate.target.provider), None)

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

    def _learn(self, leg: Leg) -> None:
        """Learn from the headers of an answer what its vendor's limits are."""
        head = None if leg.scope is None else leg.scope.head
        if head is not None and (limits := rate_limits(head.headers, self._knowledge.wall())):
            self._knowledge.leases.hear(leg.target, limits, leg.began)

    # What came of it.

    def _came_to_nothing(self, legs: list[Leg]) -> bool:
        """Take note of attempts without an answer; whether that ends the call."""
        ends = False
        for leg in legs:
            self._learn(leg)
            if leg.error is None:
                self._left_alone(leg)
            elif isinstance(leg.error, ExecutionError):
                ends = self._failed(leg, leg.error) or ends
            elif isinstance(leg.error, ConfigurationError):
                self._not_sent(leg, leg.error)
            else:
                ends = True
        return ends

    def _left_alone(self, leg: Leg) -> None:
        """It was slower than another: it has cost the reading of what was sent, at least."""
        cost = self._knowledge.price_of(leg.target, Usage(self._situation.tokens, 0))
        seconds = self._knowledge.clock() - leg.began
        self._trail.append(Attempt(str(leg.target), "cancelled", "another one answered", seconds=seconds, cost=cost))

    def _not_sent(self, leg: Leg, error: ConfigurationError) -> None:
        self._made -= 1
        self._refused = self._refused or error
        leg.lease.give_back(0)
        self._pass_over(leg.target, str(error))

    def _failed(self, leg: Leg, error: ExecutionError) -> bool:
        """Take note of a failure; whether it ends the call."""
        knowledge, target, word = self._knowledge, leg.target, word_of(error)
        now = knowledge.clock()
        knowledge.health.failed(
            target, word, now, retry_after=retry_after(error), cooldown=knowledge.limits(target).cooldown
        )
        self._trail.append(failure(target, error, word, now - leg.began, self._spent(target, error.partial)))
        goes_on = word in self._situation.route.on and not error.attempts
        before, partial = self._begun, error.partial
        if goes_on and leg.gate.is_open:
            goes_on = may_go_on(self._situation, word, error)
            if goes_on and partial is not None:
                self._begun = Begun(partial, target, before)
        if before is not None and partial is not None:
            error.partial = before.with_rest(partial, target)  # what the reader has seen is the words of both
        if not goes_on or self._left() <= 0:
            return True
        self._last = error
        if word in OF_ACCOUNT:
            self._dead.add(target.provider)
        if can_be_repeated(error):
            times = self._failures[target] = self._failures.get(target, 0) + 1
            delay = min(FIRST_DELAY * 2 ** (times - 1), LONGEST_DELAY) * (0.5 + knowledge.chance() / 2)
            ready = now + max(delay, retry_after(error) or 0.0)
            self._put_aside(leg.candidate, ready, f"it failed: {word}")
        return False

    def _answered(self, leg: Leg, value: Any) -> Any:
        situation, knowledge, target = self._situation, self._knowledge, leg.target
        now = knowledge.clock()
        knowledge.health.succeeded(target)
        first = leg.gate.first
        knowledge.statistics.add(
            target, (now if first is None else first) - leg.began, now, stream=situation.ask.stream
        )
        if not isinstance(value, Response):
            leg.lease.give_back()
            return value
        leg.lease.give_back(value.usage.total_tokens)
        self._remember(leg.candidate, value, now)
        knowledge.origins.remember(value.message, target.provider)
        cost = value.cost or knowledge.price_of(target, value.usage)
        self._trail.append(
            Attempt(str(target), "complete", request_id=value.request_id, seconds=now - leg.began, cost=cost)
        )
        if self._begun is not None:
            value, cost = self._begun.with_rest(value, target), None
        return msgspec.structs.replace(value, cost=cost, attempts=tuple(self._trail), served_by=str(target))

    def _remember(self, candidate: Candidate, response: Response, now: float) -> None:
        """Where the conversation is now: at once if it has a name, else once a cache is seen to hold it."""
        situation = self._situation
        nodes = [(node, index) for node, index in candidate.path if node.strategy in STICKY]
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
        return over(error, self._situation.route.name, self._trail)

    def _nobody(self) -> AirouterError:
        if self._last is not None:
            return self._over(self._last)
        return self._refused or nobody(self._situation.route.name, self._trail)

    def _all_busy(self, wait: float) -> AirouterError:
        aside = [Attempt(str(waiting.candidate.target), "refused", waiting.reason) for waiting in self._aside]
        return all_busy(self._situation.route.name, self._trail, aside, wait)
