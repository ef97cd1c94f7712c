"""The pace of a run on the clock of its event loop, and what answers teach of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from airouter_core.errors import AirouterError, RateLimitedError
from airouter_core.values.ask import Ask
from airouter_core.values.response import Response
from airouter_core.wire.rate_limits import RateLimit

from .counts import size_of
from .delayed import Clock
from .pace import Pace
from .spec import Spec

LOGGER = logging.getLogger("airouter.bulk")
WORTH_TELLING = 60.0
"""Seconds of silence."""
USUAL_OUTPUT = 200.0
"""Tokens of an answer that are expected before any was seen."""


class Rhythm:
    """When the calls of one run begin.

    Args:
        lag: seconds that may pass between a permit and its call; limits are kept for all that.
    """

    def __init__(self, spec: Spec, clock: Clock, lag: float) -> None:
        self._clock = clock
        self._pace = Pace(clock.time(), spec.in_flight, spec.requests_per_minute, spec.tokens_per_minute, lag=lag)
        self._output = USUAL_OUTPUT

    @property
    def in_flight(self) -> int:
        """Calls at a time that are allowed now."""
        return self._pace.in_flight

    @property
    def limits(self) -> Mapping[str, RateLimit]:
        """The vendor's own, as far as its answers have told of them."""
        return self._pace.limits

    def heard(self, limits: Mapping[str, RateLimit]) -> None:
        """Keep to what an answer says of the limits of whoever asks."""
        self._pace.learned(self._clock.time(), limits)

    def tokens(self, ask: Ask) -> float:
        """About how many a call will have, where that matters."""
        return size_of(ask) + self._output if self._pace.counts_tokens else 0.0

    def closed(self) -> float:
        """Seconds for which nothing may be sent."""
        return self._pace.closed(self._clock.time())

    def delay(self, tokens: float) -> float:
        """Seconds until a call of about so many tokens may begin."""
        return self._pace.delay(self._clock.time(), tokens)

    def take(self, tokens: float) -> None:
        """A call begins."""
        self._pace.take(self._clock.time(), tokens)

    def learn(self, answer: Response | AirouterError, tokens: float) -> None:
        """What an answer says of those after it.

        Args:
            tokens: that were expected.
        """
        now = self._clock.time()
        if isinstance(answer, Response):
            if answer.usage.output_tokens is not None:
                self._output += (answer.usage.output_tokens - self._output) / 20
            self._pace.settle(now, tokens, answer.usage.total_tokens)
            return
        retry_after = getattr(answer, "retry_after", None)
        if isinstance(answer, RateLimitedError) or retry_after:
            before = self._pace.closed(now)
            self._pace.refused(now, retry_after)
            if (closed := self._pace.closed(now)) > before + WORTH_TELLING:
                LOGGER.warning("nothing is sent for %d seconds, as the provider has asked: %s", closed, answer)
