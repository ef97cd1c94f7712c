"""What in a conversation only one provider can read: sealed thoughts, and things that are kept there under an id.

A signature, an encrypted thought or the id of an earlier answer is refused everywhere but where it was made. Readable
reasoning is for anybody.
"""

from __future__ import annotations

import collections
import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airouter_core.values.ask import Ask
from airouter_core.values.messages import FilePart, Message, ProviderPart

SEALED = frozenset(
    {"signature", "encrypted_content", "thought_signature", "thoughtSignature", "redactedContent", "redacted_content",
     "reasoning_details"}
)  # fmt: skip
MOST_ORIGINS = 10_000
KEPT = frozenset({"previous_response_id", "conversation", "container", "file_id", "file_uri"})


def kept_at(ask: Ask) -> frozenset[str]:
    """The providers that keep something which the ask names by an id: nobody else can answer it."""
    found = {name for name, options in ask.provider_options.items() if any(options.get(word) for word in KEPT)}
    for message in ask.messages:
        for part in () if message.is_plain else message.parts:
            if isinstance(part, FilePart) and part.data is None and part.url is None:
                found |= set(_holding(part.provider_metadata, KEPT))
    return frozenset(found)


def sealed_by(ask: Ask, origins: Origins) -> frozenset[str]:
    """Whose sealed thoughts belong to a tool loop that is still open: accounts of this router, else providers."""
    sealed = list(_sealing(_open_loop(ask.messages)))
    return frozenset(origins.account(value) or provider for provider, value in sealed)


class Origins:
    """From which account a sealed thought came: two accounts of one vendor cannot read each other's.

    Digests are kept, of the thoughts of this process's answers; the eldest are forgotten first.
    """

    def __init__(self) -> None:
        self._accounts: collections.OrderedDict[bytes, str] = collections.OrderedDict()
        self._lock = threading.Lock()

    def remember(self, message: Message, account: str) -> None:
        """An account has answered with this message."""
        if message.is_plain:
            return
        for _, value in _sealing((message,)):
            with self._lock:
                self._accounts[_digest(value)] = account
                while len(self._accounts) > MOST_ORIGINS:
                    self._accounts.popitem(last=False)

    def account(self, value: str) -> str | None:
        """The account that a sealed thought came from; ``None`` where that is not known here."""
        return self._accounts.get(_digest(value)) if self._accounts else None


def _digest(value: str) -> bytes:
    return hashlib.blake2b(value.encode("utf-8", "replace"), digest_size=16).digest()


def _open_loop(messages: tuple[Message, ...]) -> Iterator[Message]:
    """The turns since somebody last spoke, where the last of them is a tool's result."""
    if messages and messages[-1].role == "tool":
        for message in reversed(messages):
            if message.role == "user":
                return
            yield message


def _sealing(messages: Iterable[Message]) -> Iterator[tuple[str, str]]:
    """The provider of each sealed thought, and the thought."""
    for message in messages:
        for part in () if message.is_plain else message.parts:
            if isinstance(part, ProviderPart):
                if found := _said(part.value, SEALED):
                    yield part.provider, found
            elif metadata := getattr(part, "provider_metadata", None):
                for provider, values in metadata.items():
                    if isinstance(values, Mapping) and (found := _said(values, SEALED)):
                        yield provider, found


def _said(values: Mapping[str, Any], words: frozenset[str]) -> str:
    return "\0".join(f"{word}={values[word]}" for word in sorted(words & values.keys()) if values[word])


def _holding(metadata: Mapping[str, Any], words: frozenset[str]) -> Iterator[str]:
    for provider, values in metadata.items():
        if isinstance(values, Mapping) and any(values.get(word) for word in words):
            yield provider
