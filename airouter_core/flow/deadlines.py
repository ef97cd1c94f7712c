"""Deadlines: until when all must be there, and what is said where it is not."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Self

from ..errors import TransportTimeoutError
from ..values.value import Value

CLOCKS_DIFFER = 0.02
"""Seconds by which a wait may end before the deadline that it was cut to."""


class Deadline(Value, frozen=True):
    """The end of the time that something was given.

    Attributes:
        until: on the clock of ``time.monotonic``.
        seconds: that it was given.
    """

    until: float
    seconds: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """In so many seconds from now."""
        return cls(time.monotonic() + seconds, seconds)

    def left(self) -> float:
        """Seconds that are left.

        Raises:
            TransportTimeoutError: there are none.
        """
        left = self.until - time.monotonic()
        if left <= 0:
            raise self.too_late()
        return left

    def wait(self, seconds: float) -> float:
        """Refuse a wait that would end too late before it begins.

        Raises:
            TransportTimeoutError: it would.
        """
        if seconds >= self.left():
            raise self.too_late()
        return seconds

    def judged(self, failure: Exception) -> Exception:
        """A failure as what it is: every wait was cut to the deadline, so silence just then is none of the server's."""
        if not isinstance(failure, TransportTimeoutError) or time.monotonic() < self.until - CLOCKS_DIFFER:
            return failure
        late = self.too_late()
        late.__cause__ = failure
        return late

    def too_late(self) -> TransportTimeoutError:
        """What is said when it has passed."""
        return TransportTimeoutError(
            f"the call was not complete within its deadline of {self.seconds:g} s; raise `deadline`, or ask for less"
        )


def tightest(deadline: Deadline | None, others: Iterable[Deadline]) -> Deadline | None:
    """The one that ends first."""
    for other in others:
        if deadline is None or other.until < deadline.until:
            deadline = other
    return deadline
