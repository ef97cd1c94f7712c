"""The pace: limits hold in every window, on a clock that the test turns."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from heapq import heappop, heappush

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airouter_bulk.outcomes import wait_before
from airouter_bulk.pace import LONGEST, Pace
from airouter_bulk.spec import Spec
from airouter_core.errors import RateLimitedError
from airouter_core.wire.rate_limits import RateLimit


def _begun(pace: Pace, now: float, seconds: float, tokens: list[float]) -> list[tuple[float, float]]:
    """When calls begin that all want to begin at once, and their tokens."""
    begun = []
    end = now + seconds
    for index in range(100_000):
        wanted = tokens[index % len(tokens)]
        now += pace.delay(now, wanted)
        if now > end:
            break
        pace.take(now, wanted)
        begun.append((now, wanted))
    return begun


def _most(begun: list[tuple[float, float]], window: float = 60.0) -> tuple[int, float]:
    """Calls and tokens of the fullest window."""
    times = [time for time, _ in begun]
    spans = [begun[first : bisect_left(times, times[first] + window)] for first in range(len(begun))]
    return max(map(len, spans)), max(sum(tokens for _, tokens in span) for span in spans)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400), st.floats(0, 200))
def test_no_minute_has_more_calls_than_the_limit(limit: int, idle: float) -> None:
    """Whenever it begins, also after an idle time and across a start anew; and the limit is nearly reached."""
    first = _begun(Pace(0.0, 5, limit), idle, 90, [1])
    again = _begun(Pace(idle + 91, 5, limit), idle + 91, 90, [1])
    assert _most(first + again)[0] <= limit
    assert len(again) >= int(limit * 0.94 * 1.5) - 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(60, 900), min_size=1, max_size=5))
def test_no_minute_has_more_tokens_than_the_limit_and_a_twentieth(tokens: list[float]) -> None:
    """The calls of a minute are of any size up to a good part of the limit."""
    assert _most(_begun(Pace(0.0, 5, None, 20_000), 0.0, 150, tokens))[1] <= 20_000 * 1.05


def test_tokens_that_were_used_count_in_place_of_those_expected() -> None:
    """A call that used more than was thought makes the next one wait."""
    pace = Pace(0.0, 5, None, 6000)
    pace.take(10.0, 300)
    before = pace.delay(10.0, 100)
    pace.settle(10.0, 300, 1300)
    assert pace.delay(10.0, 100) == pytest.approx(before + 1000 / 95)


def test_a_wait_that_is_said_closes_the_pace_for_everybody() -> None:
    """For as long as it says, and the longest of several counts."""
    pace = Pace(0.0, 8)
    pace.refused(5.0, 30.0)
    pace.refused(5.1, 2.0)
    assert pace.delay(6.0, 1) == 29.0
    assert pace.delay(35.0, 1) == 0.0


def test_refusals_halve_the_calls_at_a_time_and_answers_give_them_back() -> None:
    """Those that were under way together are one refusal."""
    pace = Pace(0.0, 8)
    for _ in range(8):
        pace.refused(1.0, None)
    assert pace.in_flight == 4
    for _ in range(200):
        pace.settle(2.0, 0, None)
    assert pace.in_flight == 8
    for second in range(10):
        pace.refused(10.0 + 2 * second, None)
    assert pace.in_flight == 1


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 400), st.lists(st.floats(0, 2), min_size=1, max_size=20))
def test_limits_hold_for_calls_that_begin_some_time_after_their_permit(limit: int, lags: list[float]) -> None:
    """However long each takes within that time."""
    permits = _begun(Pace(0.0, 5, limit, lag=2.0), 0.0, 150, [1])
    begun = sorted((time + lags[index % len(lags)], tokens) for index, (time, tokens) in enumerate(permits))
    assert _most(begun)[0] <= limit


def test_what_headers_say_is_kept_to() -> None:
    """What is left there, less what was begun since; and it comes back as it is said to."""
    pace = Pace(0.0, 50)
    pace.learned(10.0, {"requests": RateLimit("requests", 60, 2, 58)})
    assert pace.delay(10.0, 0) == 0
    for _ in range(2):
        pace.take(10.0, 0)
    assert pace.delay(10.0, 0) == pytest.approx(1.0)
    assert pace.delay(10.5, 0) == pytest.approx(0.5)
    assert pace.delay(68.0, 0) == 0
    pace.learned(11.0, {"requests": RateLimit("requests", 60, 30, 30)})
    assert pace.delay(11.0, 0) == 0


def test_tokens_that_headers_say_are_left_are_kept_to() -> None:
    """Those of the input too; of a day's limit no more is waited for at a time than a minute."""
    pace = Pace(0.0, 50)
    assert not pace.counts_tokens
    pace.learned(
        0.0, {"input_tokens": RateLimit("input_tokens", 1000, 0, 10), "x": RateLimit("output_tokens", 1, 0, 9)}
    )
    assert pace.counts_tokens
    assert pace.delay(0.0, 100) == pytest.approx(1.0)
    pace.learned(0.0, {"tokens-day": RateLimit("tokens", 1000, 0, 40_000)})
    assert pace.delay(0.0, 500) == LONGEST


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 200), st.integers(1, 60))
def test_a_vendor_that_counts_is_never_asked_too_often(limit: int, seconds: int) -> None:
    """One that fills its bucket as it says refuses nobody who keeps to its headers."""
    pace = Pace(0.0, 5)
    level, then, now = float(limit), 0.0, 0.0
    for _ in range(3 * limit):
        now += pace.delay(now, 0)
        level = min(limit, level + (now - then) * limit / seconds) - 1
        then = now
        assert level > -1e-6
        pace.take(now, 0)
        reset = (limit - level) * seconds / limit
        pace.learned(now, {"requests": RateLimit("requests", limit, max(0.0, level), reset)})


class _Silent:
    """A vendor that refuses what is over its limit and never says for how long."""

    def __init__(self, limit: int, *, sliding: bool) -> None:
        self._limit, self._sliding = limit, sliding
        self._taken: deque[float] = deque()

    def answers(self, now: float) -> bool:
        begin = now - 60 if self._sliding else now // 60 * 60
        while self._taken and self._taken[0] < begin:
            self._taken.popleft()
        if len(self._taken) >= self._limit:
            return False
        self._taken.append(now)
        return True


@pytest.mark.parametrize("sliding", [True, False])
@pytest.mark.parametrize("limit", [3, 20, 100, 600])
def test_no_row_fails_for_a_limit_that_nobody_tells_of(limit: int, sliding: bool) -> None:
    """Refusals are spread over time and rows, and the limit is used for the better part."""
    pace, vendor, retries = Pace(0.0, 16), _Silent(limit, sliding=sliding), Spec(target="a/b").retries
    waiting = [(0.0, number, 0) for number in range(20 * limit)]  # when, which row, how often it was refused
    now, refusals = 0.0, []
    while waiting:
        due, row, tries = heappop(waiting)
        now = max(now, due) + 0.01
        now += pace.delay(now, 0)
        pace.take(now, 0)
        if vendor.answers(now):
            pace.settle(now, 0, None)
            continue
        pace.refused(now, None)
        refusals.append(tries + 1)
        wait = wait_before(tries + 1, RateLimitedError("slow down"), (row % 10) / 10)
        heappush(waiting, (now + wait, row, tries + 1))
    assert max(refusals) < retries
    assert now < 60 * 20 * 3
    assert len(refusals) < 0.6 * 20 * limit
