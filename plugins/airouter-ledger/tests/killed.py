"""A program that is killed: sixteen threads that answer under a budget, and say which calls were answered.

usage: killed.py ADDRESS LIFE
"""

from __future__ import annotations

import os
import sys
import threading
from decimal import Decimal
from typing import Any

from airouter_core.errors import BudgetExceededError
from airouter_core.flow.blocking import Driver
from airouter_core.flow.layers import Identity, layered
from airouter_core.flow.steps import Emit, Flow
from airouter_core.profile.prices import Prices
from airouter_core.values import events as e
from airouter_core.values.ask import Ask
from airouter_core.values.messages import Message
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage
from airouter_ledger.bookkeeping import Bookkeeper, Rules
from airouter_ledger.budgets import budgets_of
from airouter_ledger.ledger import Ledger
from airouter_ledger.providers import Billed

BUDGETS = budgets_of({"b": {"amount": 20, "period": "forever"}})
PRICES = Prices.of_settings({"toy/m": {"input": 1000, "output": 1000}})
THREADS = 16


class Toy:
    """Answers at once."""

    provider = Identity("toy", "toy", None)

    def __call__(self, ask: Ask, /) -> Flow[Any]:
        yield Emit((e.TextDelta("x"), e.Finish("stop", "stop")))
        return Response(message=Message("assistant", "x"), finish_reason="stop", usage=Usage(10, 5))


def main(address: str, life: str) -> None:
    """Answer until killed, or until the budget is used up."""
    ledger = Ledger.open(address)
    keeper = Bookkeeper(ledger, Rules(prices=PRICES, budgets=BUDGETS), provider=Billed)

    def work(number: int) -> None:
        for turn in range(100_000):
            ask = Ask(
                id=f"{life}-{number}-{turn}",
                model="m",
                messages=(Message("user", "hi"),),
                parameters={"max_tokens": 50},
            )
            driver = Driver(layered(Toy(), [keeper])(ask))
            try:
                for _ in driver.events():
                    pass
            except BudgetExceededError:
                return
            os.write(1, f"{ask.id}\n".encode())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def spent(ledger: Ledger) -> Decimal:
    """What the budget has paid, by its own count."""
    return ledger.purse.state(BUDGETS[0], 0).used


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
