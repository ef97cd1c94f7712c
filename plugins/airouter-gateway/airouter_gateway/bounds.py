"""How much somebody may ask: a key, a team of keys, or everybody together."""

from __future__ import annotations

import fnmatch
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from airouter_core.values.value import Value

MOST, MOST_DOLLARS = 10**12, 10**9
"""Of what is counted, and of money: more is a slip, and no database counts without end."""
Count = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
Amount = Annotated[Decimal, msgspec.Meta(description="US dollars for each period")]


class Bounds(Value, frozen=True, kw_only=True):
    """Bounds that hold for whoever they are of. What is ``None`` or empty is not bounded.

    Attributes:
        models: patterns of the models, addresses and routes that may be asked.
        rpm: requests a minute.
        tpm: tokens a minute, both ways.
        in_flight: requests at a time.
        budget: US dollars for each period.
        unpriced: whether the budget lets calls through whose price nobody knows.
        period: of the budget: hour, day, week, month, year, forever, or a moving window such as "24 hours".
    """

    models: tuple[str, ...] = ()
    rpm: Count | None = None
    tpm: Count | None = None
    in_flight: Count | None = None
    budget: Amount | None = None
    period: str = "month"
    unpriced: Literal["refuse", "allow"] = "refuse"

    def permits(self, *names: str) -> bool:
        """Whether one of the names of a model is among those that may be asked."""
        return not self.models or any(fnmatch.fnmatchcase(name, one) for one in self.models for name in names)

    @property
    def is_limited(self) -> bool:
        """Whether requests have to be counted."""
        return (self.rpm or self.tpm or self.in_flight) is not None


class Team(Bounds, frozen=True, kw_only=True):
    """Several keys that share bounds beside their own: the least of all that hold for a call is what counts.

    Attributes:
        created: seconds since 1970.
    """

    name: str
    disabled: bool = False
    created: float = 0.0
