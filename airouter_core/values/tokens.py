"""An honest estimate of tokens, for providers that cannot count."""

from __future__ import annotations

from ..errors import ParameterError

CHARACTERS_PER_TOKEN = 4
"""English prose in byte-pair vocabularies: OpenAI's documentation gives "about 4 characters" for a token."""


def estimate_tokens(text: str) -> int:
    """About how many tokens a text is: a quarter of its ASCII characters, and one for each other character.

    Within some tens of percent for prose in current vocabularies, more for code and rare scripts; not to be used where
    a limit must be kept to the token.
    """
    if not isinstance(text, str):
        raise ParameterError(f"tokens are counted of a string, not of {type(text).__name__}")
    ascii_characters = len(text.encode("ascii", "ignore"))
    return -(-ascii_characters // CHARACTERS_PER_TOKEN) + len(text) - ascii_characters
