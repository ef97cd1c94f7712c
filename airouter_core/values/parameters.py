"""What a parameter of a call is, whoever takes it."""

from __future__ import annotations

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
