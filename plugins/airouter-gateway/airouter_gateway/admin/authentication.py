"""The admin key: who has it may do everything but read keys. It stands in the settings, and nobody shows it."""

from __future__ import annotations

import hmac
import time
from collections import deque
from collections.abc import Callable

from airouter_core.errors import ConfigurationError

from ..keys import digest_of

SHORTEST = 16
"""Characters of an admin key: what people think of is guessed."""
MOST_WRONG = 20
"""Wrong keys in a minute; then nobody is let in until it is over, not even with the right one."""
MINUTE = 60.0


class TooManyWrongKeysError(Exception):
    """Somebody tries keys."""


class Authenticator:
    """Compares keys with the admin key, in a time that tells nothing.

    Args:
        key: gives the admin key as the settings have it now; ``None`` where there is none.
    """

    def __init__(self, key: Callable[[], str | None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = key
        self._clock = clock
        self._wrong: deque[float] = deque()

    def admits(self, given: str) -> bool:
        """Whether this is the admin key.

        Raises:
            TooManyWrongKeysError: too many were wrong.
        """
        now = self._clock()
        while self._wrong and now - self._wrong[0] > MINUTE:
            self._wrong.popleft()
        if len(self._wrong) >= MOST_WRONG:
            raise TooManyWrongKeysError
        key = self._key()
        right = key is not None and hmac.compare_digest(digest_of(given), digest_of(key))
        if not right:
            self._wrong.append(now)
        return right

    def secret(self, purpose: bytes) -> bytes:
        """A secret for one purpose, made of the admin key: it is another one as soon as the key is."""
        return hmac.digest(digest_of(self._key() or "").encode(), purpose, "sha256")


def require_usable(key: str | None) -> None:
    """Refuse an admin key that could be guessed, and one without what its pages are made with.

    Raises:
        ConfigurationError: it is one.
    """
    if key is None:
        return
    if len(key) < SHORTEST:
        raise ConfigurationError(
            f"[gateway] admin_key has fewer than {SHORTEST} characters: take a random one, such as that of "
            "`python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
        )
    try:
        import jinja2  # noqa: F401  # whether it is there
        import starlette  # noqa: F401  # as above
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"[gateway] admin_key switches the admin API and the console on, and they need {error.name}: "
            "pip install 'airouter-gateway[console]'"
        ) from error
