"""What something costs, counted in Python calls: that takes no clock, and is the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

TIMES = 5


def python_calls(function: Callable[[], object]) -> int:
    """How many functions and generators a call of this one enters, those of all libraries included.

    The least of some times: an answer may come in more packets than it needs, and others may leave garbage to collect.
    """
    return min(_python_calls(function) for _ in range(TIMES))


def _python_calls(function: Callable[[], object]) -> int:
    count = 0

    def see(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count
