"""What headers say about limits, in the spellings that were recorded."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from airouter_core.wire.rate_limits import RateLimit, rate_limits, seconds_of

NOW = 1_766_239_000.0


def test_waits_in_every_spelling() -> None:
    """Seconds, or units; a date, or nothing that can be read, is none."""
    said = {"12": 12, "0.5": 0.5, "1h2m3s": 3723, "120ms": 0.12, "6m0s": 360, "1d": 86400, "": None, "x": None}
    assert {text: seconds_of(text) for text in said} == said
    assert seconds_of("1766239000") is None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"limit-requests": "500", "remaining-requests": "499", "reset-requests": "120ms"},
            {"requests": RateLimit("requests", 500, 499, 0.12)},
        ),
        (
            {"limit-tokens": "30000", "remaining-tokens": "29000", "reset-tokens": "2s"},
            {"tokens": RateLimit("tokens", 30000, 29000, 2)},
        ),
        (
            {"limit": "20", "remaining": "0", "reset": str(int(NOW * 1000) + 9000)},
            {"": RateLimit("requests", 20, 0, 9)},
        ),
        ({"limit": "20", "remaining": "3", "reset": str(int(NOW) + 4)}, {"": RateLimit("requests", 20, 3, 4)}),
        (
            {"limit-tokens-5-minute": "3000", "remaining-tokens-5-minute": "1500"},
            {"tokens-5-minute": RateLimit("tokens", 3000, 1500, 150)},
        ),
        ({"limit-req-minute": "60", "remaining-req-minute": "0"}, {"req-minute": RateLimit("requests", 60, 0, 60)}),
        ({"limit-requests": "500", "remaining-requests": "499"}, {}),
        ({"limit-requests": "500", "reset-requests": "1s"}, {}),
        ({"limit-requests": "X", "remaining-requests": "Y", "reset-requests": "Z"}, {}),
        ({"limit-requests": "-1", "remaining-requests": "9", "reset-requests": "1s"}, {"requests": Any}),
        ({"tokens-query-cost": "7"}, {}),
    ],
)
def test_headers_as_they_were_recorded(headers: dict[str, str], expected: dict[str, Any]) -> None:
    """Units, windows, durations and dates are understood; what says too little, or nothing, is no limit."""
    found = rate_limits({f"x-ratelimit-{name}": value for name, value in headers.items()}, NOW)
    assert found.keys() == expected.keys()
    for words, limit in expected.items():
        if limit is not Any:
            assert found[words].unit == limit.unit
            assert found[words].limit == limit.limit
            assert found[words].reset == pytest.approx(limit.reset, abs=0.01)


def test_words_in_another_order_and_times_of_rfc_3339() -> None:
    """Some say the unit before what of it; resets are moments there."""
    prefix = "anthropic-ratelimit-"
    headers = {f"{prefix}input-tokens-limit": "4000000", f"{prefix}input-tokens-remaining": "3999000"}
    headers |= {f"{prefix}input-tokens-reset": "2025-12-20T13:57:00Z", f"{prefix}unified-status": "allowed"}
    headers |= {f"{prefix}output-tokens-limit": "800", f"{prefix}output-tokens-remaining": "1", "retry-after": "1"}
    headers |= {f"{prefix}output-tokens-reset": "2025-12-20T13:56:40+00:00"}
    found = rate_limits(headers, NOW)
    assert found == {
        "input-tokens": RateLimit("input_tokens", 4_000_000, 3_999_000, 20),
        "output-tokens": RateLimit("output_tokens", 800, 1, 0),
    }


def test_a_limit_fills_up_again_bit_by_bit() -> None:
    """Of what is left nothing has to be waited for; the rest comes back evenly until all is there."""
    limit = RateLimit("requests", 100, 20, 40)
    assert [limit.seconds_until(wanted) for wanted in (0, 20, 60, 100, 900)] == [0, 0, 20, 40, 40]
    assert [limit.left_after(seconds) for seconds in (0, 20, 40, 900)] == [20, 60, 100, 100]
    unknown = RateLimit("requests", None, 0, 40)
    assert (unknown.seconds_until(1), unknown.left_after(39)) == (40, 0)


WORDS = ("limit", "remaining", "reset", "limit-tokens-minute", "remaining-tokens-minute", "x-y-reset-tokens-minute")
VALUES = ("1", "0", "nan", "inf", "1e999", "-3", "9999999999999", "5s", "2025-12-20T13:57:00", "soon", "", "½")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(WORDS), st.sampled_from(VALUES)))
def test_no_header_breaks_it(said: dict[str, str]) -> None:
    """Whatever a server writes is a limit of finite numbers, or none."""
    for limit in rate_limits({f"x-ratelimit-{words}": value for words, value in said.items()}, NOW).values():
        assert 0 <= limit.remaining < float("inf")
        assert 0 <= limit.reset < float("inf")
        assert 0 <= limit.seconds_until(5) <= limit.reset
