"""What of a configuration is secret: settings that say so, and what headers and addresses of proxies may hold."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from urllib.parse import unquote

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
    """The settings all of which is secret; of headers and proxies only parts are."""
    known = ((field.name, field.metadata) for field in attrs.fields(config_class))
    return tuple(name for name, said in known if said.get("secret") and name not in ("custom_headers", "proxies"))


def secrets_of_setting(value: object) -> tuple[str, ...]:
    """What a setting declared as secret holds: a string, or several by name."""
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value.values())) if isinstance(value, Mapping) else ()


def secrets_of_header(name: str, value: str) -> tuple[str, ...]:
    """The value, and what of it stands behind a scheme such as ``Bearer``; nothing where it can be no secret."""
    if not TELLING_HEADER.search(name) and (name.lower() in PLAIN_HEADERS or _is_plain(value)):
        return ()
    scheme, _, credential = value.partition(" ")
    return (value, credential.strip()) if scheme.isalpha() else (value,)


def secrets_of_headers(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Those of all headers."""
    return tuple(secret for name, value in headers.items() for secret in secrets_of_header(name, value))


def _is_plain(value: str) -> bool:
    """Whether this is made of words, like a media type, a version or an address; a key mixes letters, cases and digits.

    In doubt it is not.
    """
    words = re.findall(r"[A-Za-z0-9]+", value)
    digits = sum(character.isdigit() for character in value)
    return bool(words) and digits <= MOST_DIGITS and all(map(PLAIN_WORD.fullmatch, words))


def secrets_of_address(address: str) -> tuple[str, ...]:
    """User name and password of an address, as written and as meant: either may be a token."""
    credentials = address.rpartition("@")[0].rpartition("/")[2]
    parts = [part for part in (credentials, *credentials.partition(":")[::2]) if part]
    return tuple(dict.fromkeys((*parts, *map(unquote, parts))))


def shown_address(address: str) -> str:
    """What of an address, or of what is none, may be shown: neither who asks, nor what is asked for."""
    bare = re.split(r"[?#]", address, maxsplit=1)[0]
    return bare if "@" not in bare else "…@" + bare.rpartition("@")[2]
