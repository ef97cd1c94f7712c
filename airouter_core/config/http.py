"""What every provider that is reached over HTTP can be told: an address, a key, limits of time, proxies, headers."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from .fields import setting
from .provider import ProviderConfig
from .secrets import (
    MINIMUM_SECRET,
    secret_settings,
    secrets_of_address,
    secrets_of_headers,
    secrets_of_setting,
    shown_address,
)

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110, section 5.6.2."""
LONGEST = 1_000_000
"""Seconds, eleven days: what the clocks of every system can count to for a wait."""


@attrs.frozen(kw_only=True)
class HttpConfig(ProviderConfig):
    """What every provider that is reached over HTTP can be told."""

    base_url: str = setting("string", default="", description="address of the API")
    api_key: str | None = setting("string", secret=True, description="key")
    timeout: float = setting(
        "number", default=300.0, above=0, maximum=LONGEST, description="seconds of silence before giving up"
    )
    connect_timeout: float = setting(
        "number", default=10.0, above=0, maximum=LONGEST, description="seconds to wait for a connection"
    )
    deadline: float | None = setting(
        "number", above=0, maximum=LONGEST, description="seconds for a whole call with its retries"
    )
    max_retries: int = setting(
        "integer", default=2, minimum=0, maximum=20, description="further attempts after a passing failure"
    )
    verify_ssl: bool | str = setting(
        "boolean", default=True, also=("path",), description="false: accept any certificate; a path: trust this CA file"
    )
    client_certificate: str | None = setting(
        "path", description="PEM file with the certificate by which the server knows this program (mutual TLS)"
    )
    client_key: str | None = setting("path", description="PEM file of its private key, where that is another file")
    client_key_password: str | None = setting("string", secret=True, description="password of that key, if it has one")
    proxies: Mapping[str, str] = setting(
        "mapping", factory=dict, secret=True, description="proxy by scheme, such as {'https': 'http://proxy:8080'}"
    )
    custom_headers: Mapping[str, str] = setting(
        "mapping", factory=dict, secret=True, description="headers to add to each request"
    )

    def __attrs_post_init__(self) -> None:
        _check_address(self.base_url)
        for name, headers in (("custom_headers", self.custom_headers), ("proxies", self.proxies)):
            if not all(isinstance(key, str) and isinstance(value, str) for key, value in headers.items()):
                raise ValueError(f"{name} must map strings to strings")
        for key, value in self.custom_headers.items():
            if any(character in "\r\n\0" for character in key + value):
                raise ValueError(f"custom_headers: {key!r} holds a line break")
            if not HEADER_NAME.fullmatch(key):
                raise ValueError(f"custom_headers: {key!r} is no name of a header")
            if not _fits_a_header(value):
                raise ValueError(f"custom_headers: {key!r} holds a character that no header can")
        for name in ("client_key", "client_key_password"):
            if getattr(self, name) is not None and self.client_certificate is None:
                raise ValueError(f"{name} belongs to a client_certificate, and there is none")
        if self.api_key is not None and not _fits_a_header(self.api_key):
            raise ValueError("api_key holds a line break, or a character that no header can: was it copied whole?")

    @property
    def needs_api_key(self) -> bool:
        """Whether a call must fail without a key; ``validate_provider_config`` asks this."""
        return False

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must appear in no output: settings declared as secret, and headers that may hold one."""
        own = secret_settings(type(self))  # type: ignore[arg-type]  # a class has a hash, whatever its instances have
        hidden = [secret for name in own for secret in secrets_of_setting(getattr(self, name))]
        hidden += secrets_of_headers(self.custom_headers)
        for address in self.proxies.values():
            hidden += secrets_of_address(address)
        return tuple(value for value in hidden if value and len(value) >= MINIMUM_SECRET)

    def url(self, path: str) -> str:
        """The address of ``path`` below ``base_url``."""
        return self.base_url.rstrip("/") + "/" + path.lstrip("/")


def _fits_a_header(text: str) -> bool:
    return all(character.isprintable() and ord(character) < 256 for character in text.replace("\t", " "))


def _check_address(address: str) -> None:
    if not address:
        return
    if any(character.isspace() or not character.isprintable() for character in address):
        raise ValueError("base_url must hold no space and no line break")
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
        parts = None
    if not usable or parts is None:
        raise ValueError(f"base_url must look like 'https://host/v1', not {shown_address(address)!r}")
    if parts.username or parts.password:
        raise ValueError("base_url must hold no user name or password; use api_key or custom_headers")
    if parts.query or parts.fragment:
        raise ValueError("base_url must have no query and no fragment")
