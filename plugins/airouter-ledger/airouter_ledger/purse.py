"""The money of budgets: set aside before a call, and settled after it.

Before anything is sent, the most that the call can cost is set aside in every budget that covers it, in one
transaction: either all have room for it or nothing is sent. After the call what was set aside becomes what was spent.
A process that dies between the two leaves what it had set aside: nobody knows what was sent, so nothing is given back.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from airouter_core.errors import BudgetExceededError

from . import money
from .budgets import Budget, BudgetState
from .database.base import Database, Execute
from .database.groups import Groups
from .periods import Span


class Purse:
    """The money of all budgets, in one database."""

    def __init__(self, database: Database, groups: Groups) -> None:
        self._database = database
        self._groups = groups

    def state(self, budget: Budget, at: float) -> BudgetState:
        """How much of a budget is used up."""
        span = budget.period.span(at)
        return BudgetState(budget, money.read(_used(self._database.read, budget, span)), span.ends)

    def reserve(self, call: str, amount: Decimal, budgets: Sequence[Budget], at: float) -> list[BudgetState]:
        """Set an amount aside in all of the budgets, or in none; how much of each was used up before.

        Raises:
            BudgetExceededError: one has not enough left; nothing was set aside.
        """
        reservation = _Reservation(call, amount, budgets, at)
        return reservation.admitted(*self._groups.write(reservation.work))

    async def areserve(self, call: str, amount: Decimal, budgets: Sequence[Budget], at: float) -> list[BudgetState]:
        """As :meth:`reserve`, for who awaits. Who is cancelled meanwhile has nothing set aside: nobody is asked."""
        reservation = _Reservation(call, amount, budgets, at)
        writing = self._groups.writing(reservation.work).awaited()
        try:
            return reservation.admitted(*await writing)
        finally:
            if writing.cancelled():  # what was given is written all the same; this comes after it
                self._groups.writing(lambda execute: settle(execute, call, 0)).awaited()

    def settle(self, call: str, amount: Decimal) -> None:
        """Book what a call has cost in place of what was set aside for it. Said twice it is booked once."""
        spent = money.stored(amount)
        self._groups.write(lambda execute: settle(execute, call, spent))


def settle(execute: Execute, call: str, spent: int) -> None:
    """The statements of :meth:`Purse.settle`, to be done together with others."""
    rows = execute("SELECT budget, span, amount FROM reservations WHERE call = ? AND state = 'reserved'", call)
    for budget, span, reserved in rows:
        execute(
            "UPDATE spent SET amount = amount + ? WHERE budget = ? AND span = ?", spent - int(reserved), budget, span
        )
    if rows:
        execute(
            "UPDATE reservations SET state = 'settled', amount = ? WHERE call = ? AND state = 'reserved'", spent, call
        )


class _Reservation:
    """What is to be set aside for one call, as a transaction, and what its outcome says."""

    def __init__(self, call: str, amount: Decimal, budgets: Sequence[Budget], at: float) -> None:
        self._call = call
        self._amount = amount
        self._wanted = money.stored_at_most(amount)
        self._spans = [(budget, budget.period.span(at)) for budget in budgets]
        self._at = at

    def work(self, execute: Execute) -> tuple[Sequence[int], int | None]:
        """Set aside where all have room: what of each was used up before, and the first that has no room, if one."""
        used = [_used(execute, budget, span) for budget, span in self._spans]
        if execute("SELECT 1 FROM reservations WHERE call = ?", self._call):
            return [amount - self._wanted for amount in used], None  # done before a connection broke
        for place, (budget, _) in enumerate(self._spans):
            if budget.at_limit == "refuse" and used[place] + self._wanted > money.stored(budget.amount):
                return used, place
        for budget, span in self._spans:
            execute(
                "INSERT INTO spent (budget, span, amount) VALUES (?, ?, ?)"
                " ON CONFLICT (budget, span) DO UPDATE SET amount = spent.amount + excluded.amount",
                budget.name, span.number, self._wanted,
            )  # fmt: skip
            execute(
                "INSERT INTO reservations (call, budget, span, amount, at, state) VALUES (?, ?, ?, ?, ?, 'reserved')",
                self._call, budget.name, span.number, self._wanted, self._at,
            )  # fmt: skip
        return used, None

    def admitted(self, used: Sequence[int], full: int | None) -> list[BudgetState]:
        """The budgets as they were before.

        Raises:
            BudgetExceededError: one has no room.
        """
        states = [
            BudgetState(budget, money.read(amount), span.ends)
            for (budget, span), amount in zip(self._spans, used, strict=True)
        ]
        if full is not None:
            raise self._exceeded(states[full])
        return states

    def _exceeded(self, state: BudgetState) -> BudgetExceededError:
        budget, amount = state.budget, self._amount
        left = max(budget.amount - state.used, Decimal(0))
        return BudgetExceededError(
            f"{budget.called} has {left:.4f} of {budget.amount} {budget.currency} left, and the call may cost "
            f"{amount:.4f}: lower max_tokens, ask a cheaper model, or raise {budget.said('amount')}",
            budget=budget.name,
            retry_after=None if state.ends is None or amount > budget.amount else max(state.ends - self._at, 0.0),
        )


def _used(execute: Execute, budget: Budget, span: Span) -> int:
    """What of a budget is used up, in billionths."""
    rows = execute("SELECT COALESCE(SUM(amount), 0) FROM spent WHERE budget = ? AND span >= ?", budget.name, span.first)
    return int(rows[0][0])
