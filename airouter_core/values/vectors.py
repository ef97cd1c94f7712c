"""Embeddings as they arrive: numbers that are numbers, and one vector for each text."""

from __future__ import annotations

import base64
import math
import struct
import sys
from collections.abc import Sequence
from typing import Any

from ..errors import ProtocolError


def vector_of(value: Any) -> list[float]:
    """A vector from a list of numbers, or from base64 of little-endian 32-bit floats.

    Raises:
        ProtocolError: it is neither, or holds what is no finite number.
    """
    if isinstance(value, str):
        try:
            data = base64.b64decode(value, validate=True)
            vector = list(struct.unpack(f"<{len(data) // 4}f", data))
        except (ValueError, struct.error) as error:
            raise ProtocolError("the provider sent an embedding that is no base64 of floats") from error
    else:
        if not isinstance(value, list) or any(type(number) not in (int, float) for number in value):
            raise ProtocolError("the provider sent an embedding that is no list of numbers")
        try:
            vector = [float(number) for number in value]
        except OverflowError as error:
            raise ProtocolError("the provider sent an embedding with a number beyond all bounds") from error
    if not vector or not all(map(math.isfinite, vector)):
        raise ProtocolError("the provider sent an embedding that is empty, or holds what is no number")
    return vector


def finite(value: Any, what: str) -> float:
    """A number that the provider sent.

    Raises:
        ProtocolError: it is none, or is beyond all bounds; the message says ``what`` it was to be.
    """
    # Comparing is safe where converting is not: JSON has whole numbers of any size, and what is no number at all.
    if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:
        raise ProtocolError(f"the provider sent {what} that is no number")
    return float(value)


def one_for_each(texts: Sequence[str], vectors: list[list[float]]) -> list[list[float]]:
    """The vectors, if there is one for each text: whoever asked pairs them by their place.

    Raises:
        ProtocolError: there are more, or fewer.
    """
    if len(vectors) != len(texts):
        raise ProtocolError(f"the provider sent {len(vectors)} embeddings for {len(texts)} texts")
    return vectors
