"""The admin key: who has it may do everything but read keys. It stands in the settings, and nobody shows it."""

from __future__ import annotations

import functools
import hmac
import ipaddress
import time
from collections import deque
from collections.abc import Callable

from airouter_core.errors import ConfigurationError

from ..keys import digest_of

SHORTEST = 16
"""Characters of an admin key: what people think of is guessed."""
MOST_WRONG = 20
"""Wrong keys from one address in a minute; then it is not let in until that is over, not even with the right one."""
MOST_WRONG_OF_ALL = 200
"""Wrong keys in a minute; then only addresses are heard that have had the right one before."""
MOST_KNOWN = 1000
"""Addresses that are remembered for having had the right key."""
MINUTE = 60.0


class TooManyWrongKeysError(Exception):
    """Somebody tries keys."""


class Authenticator:
    """Compares keys with the admin key, in a time that tells nothing.

    Who tries keys is held back by where they come from, so that they lock out nobody else; and many who try from many
    places are held back together, but for those places that have had the right key.

    Args:
        key: gives the admin key as the settings have it now; ``None`` where there is none.
    """

    def __init__(self, key: Callable[[], str | None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = key
        self._clock = clock
        self._wrong: deque[tuple[float, str]] = deque()
        self._known: dict[str, None] = {}

    def admits(self, given: str, host: str | None) -> bool:
        """Whether this is the admin key.

        Args:
            given: empty where none was given, which is no guess.
            host: the address of whoever gives it; ``None`` where there is none.

        Raises:
            TooManyWrongKeysError: too many were wrong.
        """
        if not given:
            return False
        now, place = self._clock(), place_of(host or "")
        while self._wrong and now - self._wrong[0][0] > MINUTE:
            self._wrong.popleft()
        many = len(self._wrong) >= MOST_WRONG_OF_ALL and place not in self._known
        if many or sum(one == place for _, one in self._wrong) >= MOST_WRONG:
            raise TooManyWrongKeysError
        key = self._key()
        right = key is not None and hmac.compare_digest(digest_of(given), digest_of(key))
        if right:
            self._known.pop(place, None)
            self._known[place] = None  # the newest last
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
        else:
            self._wrong.append((now, place))
        return right

    def secret(self, purpose: bytes) -> bytes:
        """A secret for one purpose, made of the admin key: it is another one as soon as the key is."""
        return hmac.digest(digest_of(self._key() or "").encode(), purpose, "sha256")


@functools.lru_cache(maxsize=256)
def place_of(host: str) -> str:
    """Where an address is: itself, and of version 6 its network, of which whoever is there has all addresses."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))


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
