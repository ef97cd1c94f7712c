"""A setting as a field of a configuration class: what it takes, and what else is known of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from ..values.kinds import Kind, checked, within

Factory = Callable[[], Any]


def setting(
    kind: Kind,
    *,
    default: Any = None,
    factory: Factory | None = None,
    env: tuple[str, ...] = (),
    secret: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    choices: tuple[Any, ...] = (),
    also: tuple[Kind, ...] = (),
    unless: tuple[str, ...] = (),
    harmless: bool | None = None,
    description: str = "",
    question: str = "",
) -> Any:
    """A field of a configuration class.

    Args:
        kind: what its values are; ``also`` names further kinds that it takes.
        env: environment variables that give the value when the mapping does not, in order.
        unless: other settings in whose presence the environment is not asked.
        harmless: whether a settings file that nobody has trusted may give it; by default numbers and words from a list
            are, and nothing else. What leads to an address, a program, a file or a key never is.
        secret: keep it out of ``repr``, logs and errors.
        question: what ``airouter setup`` asks for it where nothing works without it.
        minimum, maximum, above, choices: as in :class:`~airouter_core.profile.declarations.Parameter`.
    """

    def convert(value: Any) -> Any:
        return None if value is None else _converted(value, (kind, *also))

    def validate(_instance: object, _attribute: object, value: Any) -> None:
        if value is not None:
            within(value, minimum=minimum, maximum=maximum, above=above, choices=choices)

    metadata = {
        "kind": kind,
        "env": env,
        "secret": secret,
        "description": description,
        "choices": choices,
        "unless": unless,
        "also": also,
        "harmless": harmless,
        "question": question,
    }
    if factory is not None:
        return attrs.field(
            factory=factory, converter=convert, validator=validate, repr=not secret, metadata=metadata, kw_only=True
        )
    return attrs.field(
        default=default, converter=convert, validator=validate, repr=not secret, metadata=metadata, kw_only=True
    )


def _converted(value: Any, kinds: tuple[Kind, ...]) -> Any:
    for kind in kinds[1:]:
        try:
            return checked(value, kind)
        except ValueError:
            continue
    return checked(value, kinds[0])
