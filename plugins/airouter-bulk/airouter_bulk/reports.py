"""How a run stands, for programs and for people."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from airouter_core.values.record import Record

from .journal.admission import Run
from .journal.records import Tally
from .money import dollars

State = Literal["running", "finished", "cap", "paused", "cancelled"]
DONE, SOME_FAILED, CAP, PAUSED = 0, 2, 3, 4


class Summary(Record, frozen=True, kw_only=True):
    """How a run stands.

    Attributes:
        state: ``"running"`` is also what is left of a process that was killed: run it again.
        reason: why it is paused.
        rows: that were read; ``malformed`` of them could not be asked.
        questions: asked once each for all rows that ask the same; the next four counts are of these.
        uncertain: were under way when a run was killed, and are held.
        cut: of the valid ones, those whose answer is not all that the model would have said: ``max_tokens`` or a filter
            has cut it, or the model has refused. Its ``finish_reason`` and ``refusal`` say which.
        calls: made by this run, with those that failed.
        spent: US dollars, of what is settled.
        reserved: US dollars booked besides, for calls whose end or price nobody knows.
    """

    state: str
    reason: str | None
    rows: int
    malformed: int
    questions: int
    valid: int
    failed: int
    pending: int
    uncertain: int
    cut: int
    calls: int
    spent: Decimal
    reserved: Decimal
    budget: Decimal | None

    @classmethod
    def of(cls, run: Run, tally: Tally) -> Summary:
        """The summary of a run in its journal."""
        return cls(
            state=run.state,
            reason=run.reason,
            rows=tally.rows,
            malformed=tally.malformed,
            questions=tally.valid + tally.failed + tally.pending + tally.uncertain,
            valid=tally.valid,
            failed=tally.failed,
            pending=tally.pending,
            uncertain=tally.uncertain,
            cut=tally.cut,
            calls=tally.attempts,
            spent=dollars(tally.spent),
            reserved=dollars(tally.reserved),
            budget=run.spec.budget,
        )

    @property
    def exit_code(self) -> int:
        """0 when every row is answered, 2 when some failed, 3 at the cap of the budget, 4 when paused or not done."""
        if self.state == "cap":
            return CAP
        if self.state in ("paused", "running") or self.pending:
            return PAUSED
        return SOME_FAILED if self.failed or self.malformed or self.uncertain else DONE

    def __str__(self) -> str:
        parts = [f"{self.state}: {_counted(self.rows, 'row')}, {_counted(self.valid, 'question')} answered"]
        if self.cut:
            parts[0] += f" ({self.cut} of them cut short or refused)"
        parts += [f"{count} {word}" for word, count in self._troubles() if count]
        parts.append(f"{_counted(self.calls, 'call')}, {self.spent:f} USD")
        if self.reserved:
            parts.append(f"at most {self.reserved:f} USD more for calls whose end is not known")
        return ", ".join(parts) + (f" ({self.reason})" if self.reason else "")

    def _troubles(self) -> list[tuple[str, int]]:
        return [
            ("failed", self.failed),
            ("row that cannot be asked" if self.malformed == 1 else "rows that cannot be asked", self.malformed),
            ("to do", self.pending),
            ("uncertain", self.uncertain),
        ]


def _counted(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
