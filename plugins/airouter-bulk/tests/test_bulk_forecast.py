"""What a sample says of the whole."""

from __future__ import annotations

import pytest

from airouter_bulk.counts import Counts
from airouter_bulk.forecast import forecast
from airouter_bulk.journal.records import Ended
from airouter_bulk.money import PICO
from airouter_bulk.spec import Spec


def _sample(*cents: int) -> Counts:
    counts = Counts()
    for cent in cents:
        counts.add(Ended("answered", "valid", cost=int(PICO) * cent // 100), 0)
    return counts


def test_the_mean_of_a_sample_is_projected_with_how_sure_it_is() -> None:
    """Cost and time; the limit counts where it is slower than the sample was."""
    found = forecast(_sample(1, 2, 3), 6.0, 100, Spec(target="a/b"))
    assert found.cost == pytest.approx(2.0)
    assert found.cost_error == pytest.approx(1.96 * 0.01 / 3**0.5 * 100)
    assert (found.dearest, found.seconds) == (0.03, pytest.approx(200.0))
    assert forecast(_sample(1, 2, 3), 6.0, 100, Spec(target="a/b", requests_per_minute=6)).seconds == pytest.approx(
        1000
    )
    assert str(found) == "100 questions are left: about 2 USD (± 1.1, 95 %; a call up to 0.03) and 0:03:20"


def test_calls_that_had_to_be_made_again_are_projected_too() -> None:
    """A question may take two, and a failed one may cost."""
    counts = Counts()
    counts.add(Ended("answered", "answered", cost=int(PICO)), 0)
    counts.add(Ended("answered", "answered", cost=int(PICO)), 0)
    counts.valid = 1
    counts.add(Ended("failed", "failed"), int(PICO))
    found = forecast(counts, 3.0, 10, Spec(target="a/b", requests_per_minute=60))
    assert (found.cost, found.seconds) == (pytest.approx(15.0), pytest.approx(15.0))


def test_a_large_sample_is_projected_at_its_pace() -> None:
    """However many of its costs are looked at."""
    assert forecast(_sample(*[1] * 3000), 300.0, 10, Spec(target="a/b")).seconds == pytest.approx(1.0)


def test_what_is_handed_in_as_batches_costs_their_part() -> None:
    """And takes as long as the vendor takes."""
    found = forecast(_sample(2, 2), 1.0, 100, Spec(target="a/b", lane="batch"))
    assert (found.cost, found.seconds) == (pytest.approx(1.0), None)
    assert str(found).endswith("up to 0.01) and up to a day, as batches")
