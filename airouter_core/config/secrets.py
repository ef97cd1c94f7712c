"""What of a configuration is secret: settings that say so, and what headers and addresses of proxies may hold."""

from __future__ import annotations

import functools
import re

import attrs

MINIMUM_SECRET = 6
"""Shorter values are no secrets, and replacing them would garble messages."""

PLAIN_HEADERS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent"})
TELLING_HEADER = re.compile(
    r"auth|key|token|cookie|secret|sign|credential|passw|session|jwt|access|cert", re.IGNORECASE
)
"""Names of headers whose values are secrets, whatever they look like."""
PLAIN_WORD = re.compile(r"[A-Z]?[a-z]{1,15}|[A-Z]{1,6}|[0-9]{1,4}")
MOST_DIGITS = 8
"""In a value of such words; a date has as many, a number that opens something more."""


@functools.cache
def secret_settings(config_class: type) -> tuple[str, ...]:
    known = ((field.name, field.metadata) for field in attrs.fields(config_class))
    return tuple(name for name, said in known if said.get("secret") and said.get("kind") == "string")


def secrets_of_header(name: str, value: str) -> tuple[str, ...]:
    """The value, and what of it stands behind a scheme such as ``Bearer``; nothing where it can be no secret."""
    if not TELLING_HEADER.search(name) and (name.lower() in PLAIN_HEADERS or _is_plain(value)):
        return ()
    scheme, _, credential = value.partition(" ")
    return (value, credential.strip()) if scheme.isalpha() else (value,)


def _is_plain(value: str) -> bool:
    """Whether this is made of words, like a media type, a version or an address; a key mixes letters, cases and digits.

    In doubt it is not.
    """
    words = re.findall(r"[A-Za-z0-9]+", value)
    digits = sum(character.isdigit() for character in value)
    return bool(words) and digits <= MOST_DIGITS and all(map(PLAIN_WORD.fullmatch, words))


def password_in(address: str) -> str:
    return address.rpartition("@")[0].rpartition(":")[2].lstrip("/")
