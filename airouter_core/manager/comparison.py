"""What several models made of the same prompt."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ..errors import AirouterError, ParameterError
from ..flow.steps import Flow
from ..provider.asking import Messages, Parameters
from ..provider.facade import Provider
from ..values.record import Record
from ..values.response import Response


class Comparison(Record, frozen=True):
    """What one of several models made of a prompt: a response, or an error; and how long it took."""

    provider: str
    model: str
    response: Response | None
    error: AirouterError | None
    seconds: float

    @property
    def text(self) -> str:
        """The answer's text; empty when there is none."""
        return self.response.text if self.response is not None else ""


def pairs_of(candidates: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Who is to be asked: the names of providers, each with a model.

    Raises:
        ParameterError: something else was given.
    """
    pairs = list(candidates) if isinstance(candidates, Iterable) else [candidates]
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise ParameterError(f"candidates are pairs of a provider and a model, not {pair!r}")
    return pairs


def compared(
    provider: Provider[Any], name: str, model: str, messages: Messages, parameters: Parameters | None
) -> Flow[Comparison]:
    """Ask one of them; an error that it gives is its result."""
    began = time.monotonic()
    response: Response | None = None
    told: AirouterError | None = None
    try:
        response = yield from provider.chat_asked(model, messages, parameters=parameters).whole()
    except AirouterError as error:
        told = error
    return Comparison(name, model, response, told, time.monotonic() - began)
