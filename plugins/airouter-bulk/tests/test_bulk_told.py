"""How a run stands, in words and numbers; what becomes of a row whose call has ended."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from airouter_bulk.journal.records import Job
from airouter_bulk.money import dollars, pico
from airouter_bulk.outcomes import (
    SHOWN,
    LostError,
    NotSentError,
    class_of,
    costs_nothing,
    failed,
    may_pass,
    pauses,
    wait_before,
    was_sent,
    words_of,
)
from airouter_bulk.reports import Summary
from airouter_bulk.spec import Spec
from airouter_bulk.tariff import Tariff
from airouter_core.errors import (
    AirouterError,
    AuthenticationError,
    BadRequestError,
    BudgetExceededError,
    ConfigurationError,
    ConnectionFailedError,
    MissingApiKeyError,
    OverloadedError,
    ParameterError,
    ProtocolError,
    QuotaExceededError,
    RateLimitedError,
    TruncatedStreamError,
    UnknownProviderError,
)
from airouter_core.profile.prices import Prices
from airouter_core.testing.fakes import fake_provider
from airouter_core.values.messages import Message
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage

SPEC = Spec(target="openai/m", prompt="{{ q }}", retries=2)


def summary(**more: Any) -> Summary:
    none: dict[str, Any] = dict.fromkeys(
        ("rows", "malformed", "questions", "valid", "failed", "pending", "uncertain", "cut", "calls"), 0
    )
    nothing = {"state": "finished", "reason": None, "spent": Decimal(0), "reserved": Decimal(0), "budget": None}
    return Summary(**{**none, **nothing, **more})


@pytest.mark.parametrize(
    ("fields", "words", "code"),
    [
        (
            {"rows": 1, "valid": 1, "calls": 1},
            "finished: 1 row, 1 question answered, 1 call, 0 USD",
            0,
        ),
        (
            {"rows": 9, "valid": 7, "cut": 2, "failed": 1, "malformed": 1, "calls": 10, "spent": Decimal("0.5")},
            (
                "finished: 9 rows, 7 questions answered (2 of them cut short or refused), 1 failed, "
                "1 row that cannot be asked, 10 calls, 0.5 USD"
            ),
            2,
        ),
        (
            {"state": "paused", "reason": "no key", "rows": 3, "malformed": 2, "pending": 1, "reserved": Decimal(2)},
            (
                "paused: 3 rows, 0 questions answered, 2 rows that cannot be asked, 1 to do, 0 calls, 0 USD, "
                "at most 2 USD more for calls whose end is not known (no key)"
            ),
            4,
        ),
        (
            {"state": "cap", "rows": 2, "valid": 1, "pending": 1, "calls": 2},
            "cap: 2 rows, 1 question answered, 1 to do, 2 calls, 0 USD",
            3,
        ),
        (
            {"rows": 2, "valid": 1, "uncertain": 1, "calls": 2},
            "finished: 2 rows, 1 question answered, 1 uncertain, 2 calls, 0 USD",
            2,
        ),
        ({"state": "running", "rows": 1, "valid": 1}, "running: 1 row, 1 question answered, 0 calls, 0 USD", 4),
        ({"rows": 1, "pending": 1}, "finished: 1 row, 0 questions answered, 1 to do, 0 calls, 0 USD", 4),
    ],
)
def test_how_a_run_stands(fields: dict[str, Any], words: str, code: int) -> None:
    """Only what there is to tell is told; a program reads it from the exit code."""
    told = summary(**fields)
    assert (str(told), told.exit_code) == (words, code)


def test_money_is_exact_and_never_under_reported() -> None:
    """Millionths of a millionth of a dollar; a part of one counts as a whole."""
    assert dollars(pico(Decimal("1.000000000001"))) == Decimal("1.000000000001")
    assert pico(Decimal("0.0000000000001")) == 1
    assert (str(dollars(0)), str(dollars(25 * 10**11))) == ("0", "2.5")


# error, its class, may pass, pauses the run, was sent, costs nothing
ENDS: list[tuple[AirouterError, str, bool, bool, bool, bool]] = [
    (OverloadedError("busy", status=529), "transient", True, False, True, True),
    (RateLimitedError("slow", status=429), "rate_limit", True, False, True, True),
    (ConnectionFailedError("gone"), "transient", True, False, True, False),
    (TruncatedStreamError("cut"), "transient", True, False, True, False),
    (LostError("gone"), "transient", True, False, True, False),
    (ProtocolError("nonsense"), "unknown", False, False, True, False),
    (BadRequestError("no", status=400), "caller_fault", False, False, True, True),
    (BadRequestError("no", status=200), "caller_fault", False, False, True, False),
    (QuotaExceededError("empty", status=429), "quota", False, True, True, True),
    (AuthenticationError("no", status=401), "credential", False, True, True, True),
    (MissingApiKeyError("none"), "credential", False, True, False, True),
    (UnknownProviderError("who"), "credential", False, True, False, True),
    (ParameterError("no"), "caller_fault", False, False, False, True),
    (ConfigurationError("no"), "caller_fault", False, False, False, True),
    (BudgetExceededError("spent"), "vetoed", False, True, False, True),
    (NotSentError("late"), "unknown", False, False, False, True),
]


@pytest.mark.parametrize("row", ENDS, ids=lambda row: f"{type(row[0]).__name__}-{getattr(row[0], 'status', None)}")
def test_what_a_failure_means_for_the_run(row: Any) -> None:
    """Its class in the journal, whether it may pass, whether the next row would meet it too, and who pays."""
    error = row[0]
    assert (class_of(error), may_pass(error), pauses(error), was_sent(error), costs_nothing(error)) == row[1:]


@pytest.mark.parametrize(
    ("error", "tries", "kept"),
    [
        (OverloadedError("busy", status=529), 0, ("failed", "pending", 1, 0)),
        (OverloadedError("busy", status=529), 1, ("failed", "pending", 2, 0)),
        (OverloadedError("busy", status=529), 2, ("failed", "failed", 3, 0)),
        (BadRequestError("no", status=400), 0, ("failed", "failed", 1, 0)),
        (AuthenticationError("no", status=401), 2, ("failed", "pending", 2, 0)),
        (MissingApiKeyError("none"), 0, ("unsent", "pending", 0, 0)),
        (NotSentError("late"), 2, ("unsent", "pending", 2, 0)),
        (ConnectionFailedError("gone"), 2, ("failed", "failed", 3, None)),
        (LostError("gone"), 0, ("uncertain", "pending", 1, None)),
        (LostError("gone"), 2, ("uncertain", "failed", 3, None)),
    ],
)
def test_what_is_kept_of_a_failure(error: AirouterError, tries: int, kept: tuple[Any, ...]) -> None:
    """What came of the call and of its row; a failure that pauses the run, or was not sent, is no try of the row."""
    ended = failed(Job(1, 0, b"{}", tries), error, Tariff(Prices(), fake_provider(), "m", SPEC), SPEC)
    assert (ended.attempt, ended.item, ended.tries, ended.cost) == kept
    assert (ended.failure, ended.error) == (class_of(error), str(error))


def test_what_was_said_before_a_break_is_paid_for() -> None:
    """By its price where there is one; of what nobody will know it is held where the specification says so."""
    priced = Tariff(Prices.of_settings({"fake/m": {"input": 1, "output": 2}}), fake_provider(), "m", SPEC)
    partial = Response(message=Message.assistant("Half"), usage=Usage(1_000_000, 500_000))
    error = TruncatedStreamError("cut")
    error.partial = partial
    ended = failed(Job(1, 0, b"{}"), error, priced, SPEC)
    assert (ended.cost, ended.priced_by) == (pico(Decimal(2)), "[prices]")
    held = msgspec.structs.replace(SPEC, uncertain="hold")
    assert failed(Job(1, 0, b"{}"), LostError("gone"), priced, held)[:3] == ("uncertain", "uncertain", 1)


@pytest.mark.parametrize(
    ("tries", "chance", "seconds"),
    [(1, 0.0, 0.5), (1, 1.0, 1.0), (2, 1.0, 2.0), (6, 1.0, 32.0), (7, 1.0, 60.0), (500, 0.0, 30.0)],
)
def test_waits_grow_and_are_spread(tries: int, chance: float, seconds: float) -> None:
    """Doubled with each failure up to a minute, of which at least half is waited; what the vendor says is a minimum."""
    assert wait_before(tries, ConnectionFailedError("gone"), chance) == seconds
    assert wait_before(tries, RateLimitedError("slow", retry_after=45.0), chance) == max(45.0, seconds)


def test_words_of_a_failure_can_be_kept() -> None:
    """So much of them, and without half a character."""
    assert words_of("x" * 5000) == "x" * SHOWN
    assert words_of("\ud83d").isprintable()
