"""Many texts, of which an API takes so many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..values.vectors import one_for_each
from .steps import Flow

Vectors = list[list[float]]


def in_portions(texts: Sequence[str], size: int, ask: Callable[[Sequence[str]], Flow[Vectors]]) -> Flow[Vectors]:
    """The vectors of all texts, in their order, asked for in portions.

    Args:
        size: the most texts of one.
        ask: makes the vectors of one.

    Raises:
        ProtocolError: the provider sent another number of vectors than of texts.
    """
    vectors: Vectors = []
    for start in range(0, len(texts), size):
        some = texts[start : start + size]
        vectors += one_for_each(some, (yield from ask(some)))
    return vectors
