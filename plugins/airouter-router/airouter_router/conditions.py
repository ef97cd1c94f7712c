"""Conditions of ``when``: a closed set of fields, so that a misspelt one is refused and not passed over."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Protocol

from airouter_core.errors import ConfigurationError
from airouter_core.values.value import Value

FIELDS = ("tokens_over", "needs", "use", "tag", "budget", "budget_used_over", "hour")
NEEDS = ("tools", "vision", "documents", "audio_input", "json", "json_schema", "reasoning")
BUDGET = "budget:"
"""How a tag that says what share of a budget is used begins."""


class Facts(Protocol):
    """What conditions are about."""

    @property
    def tokens(self) -> int: ...
    @property
    def needs(self) -> frozenset[str]: ...
    @property
    def tags(self) -> Mapping[str, str]: ...
    @property
    def hour(self) -> int: ...


class Condition(Value, frozen=True):
    """Holds when each field that is given does.

    Attributes:
        tokens_over: the prompt has more tokens, as far as they can be counted here.
        needs: the ask needs all of these.
        use: what it is for: its tag ``use``.
        tags: what its tags say.
        budgets: one of these covers the call, as whoever keeps budgets tells; ``"*"`` for any.
        budget_used_over: the share of a budget that is used, by the budget's name; ``"*"`` for any.
        hours: of the day, on the clock of this machine.
    """

    tokens_over: int | None = None
    needs: frozenset[str] = frozenset()
    use: frozenset[str] = frozenset()
    tags: Mapping[str, str] = {}
    budgets: frozenset[str] = frozenset()
    budget_used_over: Mapping[str, float] = {}
    hours: frozenset[int] | None = None

    def holds(self, facts: Facts) -> bool:
        """Whether it does; a budget that nobody tells of is not used."""
        if self.needs and not self.needs <= facts.needs:
            return False
        if self.use and facts.tags.get("use") not in self.use:
            return False
        if any(facts.tags.get(name) != value for name, value in self.tags.items()):
            return False
        if self.hours is not None and facts.hour not in self.hours:
            return False
        if self.budgets and not any(_covering(facts.tags, name) for name in self.budgets):
            return False
        if any(not _is_used(facts.tags, name, share) for name, share in self.budget_used_over.items()):
            return False
        return self.tokens_over is None or facts.tokens > self.tokens_over

    def covers(self, other: Condition) -> bool:
        """Whether this one holds wherever the other does: what stands behind it is then never reached."""
        return (
            (self.tokens_over is None or (other.tokens_over is not None and other.tokens_over >= self.tokens_over))
            and self.needs <= other.needs
            and (not self.use or (bool(other.use) and other.use <= self.use))
            and self.tags.items() <= other.tags.items()
            and (not self.budgets or (bool(other.budgets) and other.budgets <= self.budgets))
            and all(other.budget_used_over.get(name, -1) >= share for name, share in self.budget_used_over.items())
            and (self.hours is None or (other.hours is not None and other.hours <= self.hours))
        )


def condition_of(given: Any, place: str) -> Condition:
    """A condition, from a table.

    Args:
        place: where it stands, for messages.

    Raises:
        ConfigurationError: a field is unknown, or says what cannot be.
    """
    if not isinstance(given, Mapping) or not given:
        raise ConfigurationError(f"{place}: `if` is a table of {', '.join(FIELDS)}, not {given!r}")
    for name in given:
        if name not in FIELDS:
            near = difflib.get_close_matches(str(name), FIELDS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigurationError(f"{place}: there is no condition {name!r}; {hint}there are {', '.join(FIELDS)}")
    return Condition(
        tokens_over=_tokens(given.get("tokens_over"), place),
        needs=_needs(given.get("needs", ()), place),
        use=frozenset(_words(given.get("use", ()), f"{place}: use")),
        tags=_tags(given.get("tag", {}), place),
        budgets=frozenset(_words(given.get("budget", ()), f"{place}: budget")),
        budget_used_over=_budgets(given.get("budget_used_over", {}), place),
        hours=_hours(given["hour"], place) if "hour" in given else None,
    )


def _is_used(tags: Mapping[str, str], budget: str, share: float) -> bool:
    for name in _covering(tags, budget):
        try:
            if float(tags.get(name, "-1")) > share:
                return True
        except ValueError:  # a tag of somebody else's
            continue
    return False


def _covering(tags: Mapping[str, str], budget: str) -> list[str]:
    """The tags that tell of a budget; with ``*`` of any."""
    if budget == "*":
        return [name for name in tags if name.startswith(BUDGET) and not name.startswith(BUDGET + ":")]
    return [BUDGET + budget] if BUDGET + budget in tags else []


def _words(given: Any, place: str) -> tuple[str, ...]:
    words = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list | tuple) else (None,)
    if not all(isinstance(word, str) and word for word in words):
        raise ConfigurationError(f"{place} is a word or a list of words, not {given!r}")
    return words


def _tokens(given: Any, place: str) -> int | None:
    if given is not None and (type(given) is not int or given < 0):
        raise ConfigurationError(f"{place}: tokens_over is a number of tokens, not {given!r}")
    return given


def _needs(given: Any, place: str) -> frozenset[str]:
    words = frozenset(_words(given, f"{place}: needs"))
    if unknown := sorted(words - set(NEEDS)):
        raise ConfigurationError(f"{place}: needs are {', '.join(NEEDS)}, not {', '.join(unknown)}")
    return words


def _tags(given: Any, place: str) -> Mapping[str, str]:
    if isinstance(given, str) and "=" in given:
        name, _, value = given.partition("=")
        given = {name: value}
    if not isinstance(given, Mapping) or not all(isinstance(value, str) for value in given.values()):
        raise ConfigurationError(f'{place}: tag is "NAME=VALUE" or a table of texts, not {given!r}')
    return dict(given)


def _budgets(given: Any, place: str) -> Mapping[str, float]:
    shares = given if isinstance(given, Mapping) else {"*": given}
    for share in shares.values():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            raise ConfigurationError(
                f"{place}: budget_used_over is a share from 0 to below 1, not {share!r}: a budget that is used up "
                "refuses the call before any route is asked"
            )
    return {str(name): float(share) for name, share in shares.items()}


def _hours(given: Any, place: str) -> frozenset[int]:
    """The hours of ``"22-6"``, of ``[22, 23, 0]`` or of one number; the last one of a span is not in it."""
    try:
        if isinstance(given, str):
            first, _, last = given.partition("-")
            begin, end = int(first), int(last)
            hours = {(begin + step) % 24 for step in range((end - begin) % 24 or 24)}
            numbers = [begin, end % 24]
        else:
            numbers = list(given) if isinstance(given, list | tuple) else [given]
            hours = set(numbers)
        if not hours or not all(type(hour) is int and 0 <= hour < 24 for hour in numbers):
            raise ValueError
    except (TypeError, ValueError):
        raise ConfigurationError(f'{place}: hour is "22-6", or hours from 0 to 23, not {given!r}') from None
    return frozenset(hours)
