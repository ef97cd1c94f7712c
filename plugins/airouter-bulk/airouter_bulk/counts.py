"""What an engine has done so far, and about how much it is about to send."""

from __future__ import annotations

from airouter_core.values.ask import Ask
from airouter_core.values.messages import TextPart
from airouter_core.values.tokens import estimate_tokens

from .journal.records import Ended


class Counts:
    """What has happened since this process began; each count after the journal has it."""

    def __init__(self) -> None:
        self.valid = self.failed = self.retried = self.calls = self.spent = 0
        self.costs: list[int] = []

    def add(self, ended: Ended, reserve: int) -> None:
        """A call has ended."""
        cost = reserve if ended.cost is None else ended.cost
        self.calls += 1
        self.spent += cost
        if ended.attempt == "answered":
            self.costs.append(cost)
            del self.costs[:-1000]
        self.valid += ended.item == "valid"
        self.failed += ended.item == "failed"
        self.retried += ended.item == "pending"

    def join(self, other: Counts) -> None:
        """Add what was done before."""
        for name in ("valid", "failed", "retried", "calls", "spent"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def size_of(ask: Ask) -> int:
    """About how many tokens are sent."""
    return sum(
        estimate_tokens(part.text) + 4
        for message in ask.messages
        for part in message.parts
        if isinstance(part, TextPart)
    )
