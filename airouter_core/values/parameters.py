"""What a parameter of a call is, and how one provider takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .kinds import Kind
from .record import Record


class Parameter(Record, frozen=True):
    """A canonical parameter: one meaning, one name, and the spellings people use for it.

    Attributes:
        name: the canonical name.
        kind: what its values are.
        aliases: other spellings, each of exactly the same meaning.
        minimum, maximum: the widest range that makes sense for any provider, both included.
        above: a bound that is itself excluded.
        choices: the values allowed, when they can be listed.
        unit: such as ``"tokens"``.
    """

    name: str
    kind: Kind
    aliases: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    unit: str | None = None
    description: str = ""

    def __post_init__(self) -> None:
        # A string where a tuple is meant would declare each of its letters.
        if not isinstance(self.aliases, tuple) or not all(isinstance(alias, str) for alias in self.aliases):
            raise TypeError(f"aliases must be a tuple of strings, not {self.aliases!r}")


class ParameterSupport(Record, frozen=True):
    """How one provider takes one canonical parameter, or why it does not.

    Attributes:
        name: the canonical name.
        field: where it goes in the body, as a path with dots; ``None`` when the provider does not take it.
        minimum, maximum, above, choices: the provider's own limits, where narrower than the parameter's.
        said_as: words (and ``True``, ``False``) that the provider says otherwise, such as ``{"minimal": "low"}``.
        words: words that are taken beside values of the parameter's kind, such as ``"auto"``, and what the plugin does
            for each; it replaces the word before anything is sent.
        reason: for ``field=None``: why not, and what to do instead.
    """

    name: str
    field: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    said_as: Mapping[str | bool, Any] = msgspec.field(default_factory=dict)
    reason: str | None = None
    words: Mapping[str, str] = msgspec.field(default_factory=dict)
