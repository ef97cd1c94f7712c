"""Counting tokens without asking: with tiktoken where it is installed, else by estimate."""

from __future__ import annotations

import importlib
import logging
from typing import Any

from airouter_core.values.tokens import estimate_tokens

LOGGER = logging.getLogger("airouter.openai")

NEWEST_ENCODING = "o200k_base"
"""What models are taken to use whose name tiktoken does not know."""


def count_locally(text: str, model: str | None) -> int:
    """Count with tiktoken, which loads its vocabulary from the network once; estimate where that cannot be done."""
    try:
        tiktoken: Any = importlib.import_module("tiktoken")
    except ImportError:
        return estimate_tokens(text)
    try:
        try:
            encoding = tiktoken.encoding_for_model(model or "")
        except KeyError:
            encoding = tiktoken.get_encoding(NEWEST_ENCODING)
    except OSError as error:
        LOGGER.debug("tiktoken has no vocabulary at hand (%s); the count is an estimate", error)
        return estimate_tokens(text)
    return len(encoding.encode(text, disallowed_special=()))
