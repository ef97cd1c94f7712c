"""What a sample says of the whole: cost and time, with how sure that is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from .money import dollars

SURE = 1.96
"""Standard errors on either side that hold the truth in 95 of 100 samples."""


class Forecast(NamedTuple):
    """What is left of a run is likely to need.

    Attributes:
        cost, cost_error: US dollars, more or less, with a confidence of 95 %.
        dearest: US dollars; 95 of 100 calls of the sample cost no more.
        seconds: at the pace of the sample, or at the limits where these are lower.
    """

    calls: int
    cost: float
    cost_error: float
    dearest: float
    seconds: float

    def __str__(self) -> str:
        minutes, seconds = divmod(math.ceil(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return (
            f"{self.calls} questions are left: about {self.cost:.4g} USD (± {self.cost_error:.2g}, 95 %; a call "
            f"up to {self.dearest:.2g}) and {hours}:{minutes:02}:{seconds:02}"
        )


def forecast(costs: Sequence[int], seconds: float, left: int, per_minute: float | None = None) -> Forecast:
    """Project a sample.

    Args:
        costs: of the calls in the sample, as whole numbers of :mod:`airouter_bulk.money`; at least one.
        seconds: that they took together.
        left: questions that are still to be asked.
        per_minute: the limit of requests.
    """
    amounts = sorted(float(dollars(cost)) for cost in costs)
    error = SURE * statistics.stdev(amounts) / math.sqrt(len(amounts)) if len(amounts) > 1 else amounts[0]
    took = max(seconds / len(amounts), 60 / per_minute if per_minute else 0.0)
    dearest = amounts[min(len(amounts) - 1, int(len(amounts) * 0.95))]
    return Forecast(left, statistics.fmean(amounts) * left, error * left, dearest, took * left)
