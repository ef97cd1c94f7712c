"""Who is asked next in one call, as far as it goes without waiting; and who could be asked later.

Candidates come one by one from the tree, each target once. Whoever may not be asked is passed over; whoever rests or is
full is put aside, and comes to turn when nobody else is left.
"""

from __future__ import annotations

import msgspec

from airouter_core.values.response import Attempt

from .eligibility import Eligibility
from .limits import Lease
from .routes import Target
from .situation import USUAL_ANSWER, Situation
from .strategies import Candidate, candidates

Chosen = tuple[Candidate, Lease]
"""Who is to be asked, and its place within its limits."""


class Waiting(msgspec.Struct, eq=False):
    """A candidate that was put aside until ``ready``; those of rank 0 come before those of rank 1."""

    candidate: Candidate
    ready: float
    rank: int
    reason: str


class Selection:
    """The candidates of one call.

    Args:
        trail: is told of those who are passed over.

    Attributes:
        resumes: whether an answer was begun, so that only those are asked who go on with it.
    """

    def __init__(self, situation: Situation, trail: list[Attempt]) -> None:
        self._situation = situation
        self._knowledge = situation.knowledge
        self._trail = trail
        self._eligibility = Eligibility(situation)
        self._pending = candidates(situation.route.tree, situation)
        self._ahead: list[Candidate] = []
        self._aside: list[Waiting] = []
        self._seen: set[Target] = set()
        self._dead: set[str] = set()
        self.resumes = False

    def free(self) -> Chosen | None:
        """The next one who can be asked now."""
        while (candidate := self._ahead.pop(0) if self._ahead else next(self._pending, None)) is not None:
            if candidate.target in self._seen or not self._may_be_asked(candidate):
                continue
            if (lease := self._leased(candidate)) is not None:
                return candidate, lease
        return None

    def soonest(self) -> Waiting | None:
        """Whoever of those put aside is ready first."""
        self._aside = [waiting for waiting in self._aside if self._can_resume(waiting.candidate.target)]
        return min(self._aside, key=lambda waiting: (waiting.rank, waiting.ready), default=None)

    def take(self, waiting: Waiting) -> Chosen | None:
        """Somebody who was put aside, now that the time has come; ``None`` where there is no place after all."""
        self._aside.remove(waiting)
        lease = self._leased(waiting.candidate)
        return None if lease is None else (waiting.candidate, lease)

    def is_exhausted(self) -> bool:
        """Whether nobody else is left to be asked, neither now nor later."""
        if self._aside or self._ahead:
            return False
        while (following := next(self._pending, None)) is not None:
            if following.target not in self._seen and self._eligibility.refusal(following.target) is None:
                self._ahead.append(following)
                return False
        return True

    def put_aside(self, candidate: Candidate, ready: float, reason: str, rank: int = 0) -> None:
        """Ask it later."""
        self._aside.append(Waiting(candidate, ready, rank, reason))

    def pass_over(self, target: Target, reason: str) -> None:
        """Do not ask it."""
        self._trail.append(Attempt(target.address, "refused", reason))

    def shut_out(self, provider: str) -> None:
        """Ask none of an account's models any more in this call."""
        self._dead.add(provider)

    def waited_for(self) -> list[Attempt]:
        """Who is waited for, and why."""
        return [Attempt(waiting.candidate.target.address, "refused", waiting.reason) for waiting in self._aside]

    def _may_be_asked(self, candidate: Candidate) -> bool:
        target, knowledge = candidate.target, self._knowledge
        self._seen.add(target)
        reason = self._eligibility.refusal(target)
        if reason is None and self.resumes and not self._can_resume(target):
            reason = "it is not known to go on with an answer that was begun (`prefill`)"
        if reason is None and target.provider in self._dead:
            reason = "its key was refused in this call"
        if reason is not None:
            self.pass_over(target, reason)
            return False
        now = knowledge.clock()
        bench = knowledge.health.bench(target, now)
        if bench is None:
            return True
        ready = bench.until if bench.failure == "rate_limit" else now
        self.put_aside(candidate, ready, f"it rests after {bench.failure}", rank=0 if bench.passes else 1)
        return False

    def _can_resume(self, target: Target) -> bool:
        """Whether it may be asked at this point: once an answer was begun, only who goes on with it."""
        return not self.resumes or bool(self._knowledge.limits(target).prefill)

    def _leased(self, candidate: Candidate) -> Lease | None:
        leases, target, tokens = self._knowledge.leases, candidate.target, 0
        if not leases.is_unlimited and leases.counts_tokens(target):
            tokens = self._situation.tokens + (self._situation.answer_tokens or USUAL_ANSWER)
        now = self._knowledge.clock()
        lease = leases.take(target, tokens, now)
        if isinstance(lease, Lease):
            return lease
        if lease is None:
            self.pass_over(target, f"about {tokens} tokens are more than it may be sent in a minute")
        else:
            self.put_aside(candidate, now + lease, "its limit is reached")
        return None
