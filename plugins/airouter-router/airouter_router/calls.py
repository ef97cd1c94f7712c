"""One call of a route: who is asked, who is asked next, and when it is over. The one owner of attempts and of time.

Whom it asks is chosen by :mod:`~airouter_router.selection`. A failure of a class that the route goes on after leads to
the next one; any other ends the call, and so does an answer that has begun to be handed on: that, and what is learned
of each attempt, is told by :mod:`~airouter_router.outcomes`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airouter_core.errors import AirouterError
from airouter_core.flow.layers import Gate
from airouter_core.flow.steps import Do, Flow, Gather, Race, Sleep, delegated
from airouter_core.provider.facade import Provider
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.response import Attempt

from .attempts import RunningAttempt, is_only_read
from .catalog import PATIENCE
from .final_errors import all_limited, ended, no_candidate
from .limits import Lease
from .opening import Opening
from .outcomes import Outcomes
from .selection import Chosen, Selection
from .situation import Situation
from .strategies import Candidate

LONGEST_WAIT = 120.0
"""Seconds that are waited for anybody where the route has no deadline."""


class Call:
    """One ask of one route.

    Args:
        provider: gives the provider of a name.
        within: seconds for the whole call.
    """

    def __init__(
        self, situation: Situation, provider: Callable[[str], Provider[Any]], within: float | None = None
    ) -> None:
        trail: list[Attempt] = []
        self._situation = situation
        self._knowledge = situation.knowledge
        self._route = situation.route
        self._provider = provider
        self._until = None if within is None else situation.now + within
        self._selection = Selection(situation, trail)
        self._outcomes = Outcomes(situation, self._selection, trail)

    def flow(self) -> Flow[Any]:
        """Ask until somebody has answered.

        Raises:
            ConfigurationError: nobody may be asked this.
            ExecutionError: nobody has answered; ``attempts`` tells of each.
        """
        if self._knowledge.may_share or self._route.require == "known":
            return self._asked_well_informed()
        return self._asked()

    def _asked_well_informed(self) -> Flow[Any]:
        if self._knowledge.is_to_share(self._situation.now):
            yield Do(self._knowledge.share)
        if self._route.require == "known":
            yield from self._look_up()
        return (yield from self._asked())

    def _asked(self) -> Flow[Any]:
        knowledge, outcomes = self._knowledge, self._outcomes
        while True:
            if outcomes.last is not None and outcomes.made >= self._route.attempts:
                raise self._ended(outcomes.last)
            attempt = self._begun(*(self._selection.free() or (yield from self._waited())))
            running = [attempt]
            try:
                if self._route.hedge is not None and self._may_have_rival(attempt):
                    attempt, value = yield from self._raced(running)
                else:
                    patience = None if self._route.first_event_timeout is None else self._patience()
                    value = yield from attempt.flow(self._provider, patience)
            except AirouterError as error:
                yield from self._unanswered(running, error)
                continue
            except BaseException:  # whoever reads has gone
                for each in running:
                    each.lease.give_back()
                raise
            if len(running) > 1:
                outcomes.unanswered((each for each in running if each is not attempt), is_time=True)
            answer = outcomes.answered(attempt, value)
            if knowledge.may_share and knowledge.is_to_share(self._situation.now):
                yield Do(knowledge.share)
            return answer

    def _unanswered(self, running: list[RunningAttempt], error: AirouterError) -> Flow[None]:
        """Take note of a failure; raised where it ends the call."""
        ends = self._outcomes.unanswered(running, is_time=self._left() > 0)
        if self._knowledge.is_to_share(self._situation.now):
            yield Do(self._knowledge.share)
        if ends or all(error is not attempt.error for attempt in running):
            raise self._ended(error) from error.__cause__

    def _look_up(self) -> Flow[None]:
        """Have the providers tell what they know of their models, where that is wanted and not known."""
        knowledge = self._knowledge
        names = knowledge.catalog.missing(self._route, knowledge.settings, knowledge.clock())
        if not names:
            return
        lists = [delegated(self._listing(name), deadline=PATIENCE) for name in names]
        for name, models in zip(names, (yield Gather(lists)), strict=True):
            if not isinstance(models, Exception):
                knowledge.catalog.learn(name, models, knowledge.clock())

    def _listing(self, name: str) -> Flow[list[ModelInfo]]:
        # Made in here, so that one that cannot be made costs only its own list.
        models: list[ModelInfo] = yield from self._provider(name).operation_flow("list_models")
        return models

    def _waited(self) -> Flow[Chosen]:
        """Whoever was put aside and is ready first; waited for."""
        while (waiting := self._selection.soonest()) is not None:
            wait = waiting.ready - self._knowledge.clock()
            if wait > 0:
                if wait > self._left():
                    raise self._ended(self._outcomes.last) if self._outcomes.last is not None else self._busy(wait)
                yield Sleep(wait)
            if (chosen := self._selection.take(waiting)) is not None:
                return chosen
        raise self._nobody()

    def _left(self) -> float:
        return LONGEST_WAIT if self._until is None else self._until - self._knowledge.clock()

    # One attempt.

    def _begun(self, candidate: Candidate, lease: Lease) -> RunningAttempt:
        outcomes, situation = self._outcomes, self._situation
        outcomes.made += 1
        target = candidate.target
        asked = situation.ask.asked_as(attempt=outcomes.made, model=target.model, deadline=None)
        seam = None
        if outcomes.prefill is not None:
            asked, seam = outcomes.prefill.asked(asked), outcomes.prefill.seam(target)
        # Of what nobody reads along nothing is handed on before the end.
        gate = Opening(target, self._knowledge.clock, seam) if situation.ask.stream else Gate()
        return RunningAttempt(candidate, lease, asked, gate, self._knowledge.clock(), seam)

    def _may_have_rival(self, attempt: RunningAttempt) -> bool:
        """Whether another one may be asked beside it."""
        return self._outcomes.made == 1 and is_only_read(attempt.asked)

    def _raced(self, running: list[RunningAttempt]) -> Flow[tuple[RunningAttempt, Any]]:
        """Whoever answers, and the value; another is asked beside who is slow."""
        assert self._route.hedge is not None
        self._knowledge.hedging.called(self._route.name)
        first = running[0].flow(self._provider, self._patience())
        race = Race(first, lambda: self._rival(running), self._route.hedge)
        yield race
        assert race.winner is not None
        return running[race.winner], race.value

    def _rival(self, running: list[RunningAttempt]) -> Flow[Any] | None:
        """Somebody to ask beside who is slow, if that is not too often, and there is anybody who can be asked now."""
        if self._outcomes.made >= self._route.attempts:
            return None
        if not self._knowledge.hedging.may_begin(self._route.name):
            return None
        chosen = self._selection.free()
        if chosen is None:
            return None
        self._knowledge.hedging.begun(self._route.name)
        running.append(self._begun(*chosen))
        return running[1].flow(self._provider, None)

    def _patience(self) -> float | None:
        """Seconds until a stream must have begun; whoever is the last to ask has as long as it takes."""
        route = self._route
        if route.first_event_timeout is None or not self._situation.ask.stream:
            return None
        is_last = self._outcomes.made >= route.attempts or self._selection.is_exhausted()
        return None if is_last else route.first_event_timeout

    # How it ends.

    def _ended(self, error: AirouterError) -> AirouterError:
        return ended(error, self._route.name, self._outcomes.trail)

    def _nobody(self) -> AirouterError:
        if self._outcomes.last is not None:
            return self._ended(self._outcomes.last)
        return no_candidate(self._route.name, self._outcomes.trail, self._outcomes.refused)

    def _busy(self, wait: float) -> AirouterError:
        return all_limited(self._route.name, self._outcomes.trail, self._selection.waited_for(), wait)
