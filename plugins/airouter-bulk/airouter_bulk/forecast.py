"""What a sample says of the whole: cost and time, with how sure that is."""

from __future__ import annotations

import math
import statistics
from typing import NamedTuple

from .counts import Counts
from .money import dollars
from .spec import Spec

SURE = 1.96
"""Standard errors on either side that hold the truth in 95 of 100 samples."""


class Forecast(NamedTuple):
    """What is left of a run is likely to need.

    Attributes:
        cost, cost_error: US dollars, more or less, with a confidence of 95 %.
        dearest: US dollars; 95 of 100 calls of the sample cost no more.
        seconds: at the pace of the sample, or at the limits where these are lower; ``None`` for batches, of which the
            vendor alone knows.
    """

    questions: int
    cost: float
    cost_error: float
    dearest: float
    seconds: float | None

    def __str__(self) -> str:
        return (
            f"{self.questions} questions are left: about {self.cost:.4g} USD (± {self.cost_error:.2g}, 95 %; a call "
            f"up to {self.dearest:.2g}) and {self._time}"
        )

    @property
    def _time(self) -> str:
        if self.seconds is None:
            return "up to a day, as batches"
        minutes, seconds = divmod(math.ceil(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}"


def forecast(counts: Counts, seconds: float, left: int, spec: Spec) -> Forecast:
    """Project a sample, which was asked by calls.

    Args:
        counts: of the sample, in which something was answered.
        seconds: that it took.
        left: questions that are still to be asked.
    """
    ended = max(counts.valid + counts.failed, 1)
    calls = counts.calls / ended  # with those that had to be made again
    share = float(spec.batch_price) if spec.lane == "batch" else 1.0
    amounts = sorted(float(dollars(cost)) * share for cost in counts.costs)
    error = SURE * statistics.stdev(amounts) / math.sqrt(len(amounts)) if len(amounts) > 1 else amounts[0]
    least = 60 / spec.requests_per_minute * calls if spec.requests_per_minute else 0.0
    return Forecast(
        left,
        float(dollars(counts.spent)) * share / ended * left,
        error * calls * left,
        amounts[min(len(amounts) - 1, int(len(amounts) * 0.95))],
        None if spec.lane == "batch" else max(seconds / ended, least) * left,
    )
