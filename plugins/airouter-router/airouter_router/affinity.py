"""Where a conversation was, so that it finds its prompt in the cache again: preferred, never insisted on."""

from __future__ import annotations

import collections
import hashlib
import threading

from airouter_core.values.ask import Ask
from airouter_core.values.canonical import NAMES

LIFE = 300.0
"""Seconds that a prompt stays in most vendors' caches, from its last use."""
LONG_LIFE = 3600.0
"""The same where an hour was paid for."""
CACHE_KEY = "prompt_cache_key"
MOST = 10_000
"""Conversations that are remembered; those unused for longest are forgotten first."""


class Affinity:
    """Which child of which node a conversation was last answered by."""

    def __init__(self) -> None:
        self._kept: collections.OrderedDict[tuple[str, str], tuple[int, float]] = collections.OrderedDict()
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is remembered, so that nobody needs to know what a conversation is known by."""
        return not self._kept

    def child(self, node: str, key: str, now: float) -> int | None:
        """The child that answered last, if it is not too long ago."""
        found = self._kept.get((node, key))
        return found[0] if found is not None and found[1] > now else None

    def remember(self, node: str, key: str, child: int, now: float, life: float = LIFE) -> None:
        """A child has answered."""
        with self._lock:
            self._kept[node, key] = child, now + life
            self._kept.move_to_end((node, key))
            while len(self._kept) > MOST:
                self._kept.popitem(last=False)


def named_key(ask: Ask) -> str | None:
    """What the caller calls the conversation: its session, or the key that it gives for the vendor's cache."""
    if ask.session:
        return f"session:{ask.session}"
    if not ask.parameters and not ask.provider_options:
        return None
    given = [value for name, value in ask.parameters.items() if NAMES.get(name, name) == CACHE_KEY]
    given += [options.get(CACHE_KEY) for options in ask.provider_options.values()]
    return next((f"cache:{value}" for value in given if value), None)


def opening_key(ask: Ask) -> str:
    """The same for asks of one caller that begin alike: system prompt, tools, first words of the user."""
    opening = [repr(message.parts) for message in ask.messages if message.role == "system"]
    opening += [tool.name for tool in ask.tools]
    opening += [repr(message.parts) for message in ask.messages if message.role == "user"][:1]
    said = "\0".join((ask.user or "", *opening))
    return f"opening:{hashlib.blake2b(said.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"


def share(key: str) -> float:
    """A number from 0 to 1 that is always the same for one conversation, so that it stays in its arm of a trial."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()) / 2**64


def life_of(ask: Ask) -> float:
    """How long a prompt stays in the cache: an hour where that was asked for."""
    for message in ask.messages:
        for part in () if message.is_plain else message.parts:
            if "1h" in repr(getattr(part, "provider_metadata", "")):
                return LONG_LIFE
    return LIFE
