"""One cleaner for all that leaves the library.

A provider may repeat the key that it was sent, in any part of its answer and in any spelling that JSON and addresses
have for it. And an exception holds on to more than its words: to the frames that it went through, whose variables hold
headers, and so do those of its causes. Whoever reports errors (Sentry, rich, pickle) shows all of that. So an error is
cleaned as a whole, when it leaves a provider: its words, its attributes, what it was made of, and no frames at all.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Self, TypeVar

import msgspec

from ..errors import AirouterError
from .secrets import MINIMUM_SECRET, secrets_of_headers

Error = TypeVar("Error", bound=BaseException)

HIDDEN = "***"
LEARNT = 64
"""Requests whose secrets are remembered: those of one call with its retries, or the last ones of a provider."""
NEVER = "(?!)"
LONGEST = 4096
"""Characters of a secret that are looked for: enough to find it, and what is left of it is no use to anybody."""


class Cleaner:
    """Hides secrets wherever they stand. As a context it cleans the errors of ours that leave it.

    Args:
        secrets: the values to hide; too short ones are none.
        teach: another, for what is said of the same failure later; it learns what this one has learnt.
    """

    def __init__(self, secrets: Iterable[str] = (), teach: Cleaner | None = None) -> None:
        self._given = tuple(secrets)
        self._shortest = min(map(len, self._given), default=0)
        self._sent: list[Mapping[str, str]] = []
        self._teach = teach

    def learn(self, headers: Mapping[str, str]) -> None:
        """Hide what is sent in these, too: a token may have been fetched for one call, and be in no setting."""
        self._sent.append(headers)
        del self._sent[:-LEARNT]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, AirouterError):
            self.error(error)
            if self._teach is not None:
                for headers in self._sent:
                    self._teach.learn(headers)

    def given(self, text: str) -> str:
        """As :meth:`text`, without looking for what was sent: a call that goes well does not pay for that."""
        return text if len(text) < self._shortest else _pattern(self._given).sub(HIDDEN, text)

    def text(self, text: str) -> str:
        """The text, with each secret replaced, also where it is escaped as in JSON or in an address."""
        sent = (secret for headers in tuple(self._sent) for secret in secrets_of_headers(headers))
        return _pattern(tuple(dict.fromkeys((*self._given, *sent)))).sub(HIDDEN, text)

    def data(self, data: bytes) -> bytes:
        """As :meth:`text`, for bytes."""
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def value(self, value: Any) -> Any:
        """A copy of a value, cleaned however deep; the value itself where nothing is to be cleaned."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes):
            return self.data(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | set | frozenset) or type(value) is tuple:
            return type(value)(map(self.value, value))
        if isinstance(value, msgspec.Struct):
            return msgspec.structs.replace(
                value, **{name: self.value(getattr(value, name)) for name in value.__struct_fields__}
            )
        return value

    def error(self, error: Error) -> Error:
        """The same error, cleaned, with all that it came from; nothing of it refers to a frame any more."""
        for one in _all_of(error):
            one.__traceback__ = None
            one.args = tuple(map(self.value, one.args))
            if isinstance(one, UnicodeDecodeError):
                one.object = self.data(one.object)
            for name, value in vars(one).items():
                setattr(one, name, self.value(value))
        return error


@functools.lru_cache(maxsize=64)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str]:
    # The longest first: one may be a part of another.
    hidden = sorted((secret for secret in secrets if len(secret) >= MINIMUM_SECRET), key=len, reverse=True)
    return re.compile("|".join("".join(map(_spellings, secret[:LONGEST])) for secret in hidden) or NEVER)


def _spellings(character: str) -> str:
    """A character as itself, escaped in JSON, and in an address."""
    units = character.encode("utf-16-be", "surrogatepass")
    escaped = "".join(rf"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
    quoted = "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    return rf"(?:\\?{re.escape(character)}|(?i:{escaped}|{quoted}))"


def _all_of(error: BaseException) -> Iterable[BaseException]:
    """An error with its causes, however they are linked."""
    found: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in found:
            continue
        found[id(one)] = one
        waiting += (one.__cause__, one.__context__)
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
    return found.values()
