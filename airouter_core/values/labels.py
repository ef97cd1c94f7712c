"""Whose calls these are, said once around them instead of at each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from ..errors import ParameterError

_LABELS: ContextVar[Mapping[str, Any]] = ContextVar("airouter_labels")
NOTHING: Mapping[str, Any] = {}


@contextlib.contextmanager
def labelled(
    *, session: str | None = None, user: str | None = None, tags: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Label the calls that are made inside, blocking or awaited, for layers: ledgers, budgets, limits, routes.

    Labels are sent to nobody. Those of an inner block are added, and count before those around it. Threads and tasks
    that are started inside have them where they take over the context, as :func:`asyncio.create_task` does::

        with labelled(user="eva", tags={"team": "search"}):
            provider.chat("gpt-5.5", "Hello!")

    Args:
        session: which conversation they belong to.
        user: on whose behalf they are made.
        tags: anything else, by name.

    Raises:
        ParameterError: a label is no text.
    """
    around = labels()
    given = {name: value for name, value in (("session", session), ("user", user)) if value is not None}
    if tags is not None and not isinstance(tags, Mapping):
        raise ParameterError(f"tags must map names to texts, not {type(tags).__name__}")
    for name, value in {**given, **(tags or {})}.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise ParameterError(f"labels are texts, not {name!r}: {value!r}")
    told = {**around, **given}
    if tags:
        told["tags"] = {**around.get("tags", NOTHING), **tags}
    token = _LABELS.set(told)
    try:
        yield
    finally:
        _LABELS.reset(token)


def labels() -> Mapping[str, Any]:
    """The labels that count here, as fields of an :class:`~airouter_core.values.ask.Ask`."""
    return _LABELS.get(NOTHING)
