"""What the Claude provider can be told."""

from __future__ import annotations

import functools
from typing import Literal

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig

VENDOR = "https://api.anthropic.com"
NEW_VERSION = "2026-10-21"
"""The newest API version; it takes no ``temperature``, ``top_p`` and ``top_k``."""
OLD_VERSION = "2023-06-01"
"""The version that takes them, and that servers of the same format stand for."""
CREDENTIAL_HEADERS = frozenset({"x-api-key", "authorization"})


@attrs.frozen(kw_only=True)
class ClaudeConfig(HttpConfig):
    """Settings; see the README for what each is good for."""

    base_url: str = setting(
        "string",
        default=VENDOR,
        env=("ANTHROPIC_BASE_URL",),
        description="address of the API, or of a server that speaks the same format",
    )
    api_key: str | None = setting("string", secret=True, unless=("auth_token",), description="key, sent as x-api-key")
    auth_token: str | None = setting(
        "string",
        secret=True,
        env=("ANTHROPIC_AUTH_TOKEN",),
        unless=("api_key",),
        description="bearer token, in place of a key",
    )
    api_version: str | None = setting(
        "string", description=f"API version; {NEW_VERSION} unless a parameter of the call needs {OLD_VERSION}"
    )
    betas: tuple[str, ...] = setting("strings", default=(), description="features in trial to ask for in every call")
    cache_prompt: bool = setting(
        "boolean", default=False, description="let the vendor cache tools, system prompt and history between calls"
    )
    cache_ttl: Literal["5m", "1h"] = setting(
        "string", default="5m", choices=("5m", "1h"), description="how long the cache is kept after its last use"
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not self.base_url:
            raise ValueError(f"base_url is empty; leave it out to reach {VENDOR}")
        if self.api_key and self.auth_token:
            raise ValueError("give api_key or auth_token, not both")
        for name, value in (("api_version", self.api_version or ""), *(("betas", beta) for beta in self.betas)):
            if not value.isprintable() or "," in value:
                raise ValueError(f"{name} has an invalid value {value!r}")

    @property
    def needs_api_key(self) -> bool:
        """Whether a call must fail without a key: the vendor asks for one, other servers may not."""
        return self.is_vendor and not self.auth_token and not self.own_credential

    @functools.cached_property
    def is_vendor(self) -> bool:
        """Whether this is the vendor's own address."""
        return self.root.rstrip("/") == VENDOR

    @functools.cached_property
    def own_credential(self) -> bool:
        """Whether ``custom_headers`` hold a credential, so that none is added."""
        return any(name.lower() in CREDENTIAL_HEADERS for name in self.custom_headers)

    @functools.cached_property
    def root(self) -> str:
        """``base_url`` without the ``/v1`` that other vendors' addresses end in."""
        return self.base_url.rstrip("/").removesuffix("/v1")

    def url(self, path: str) -> str:
        """The address of ``path`` below :attr:`root`."""
        return f"{self.root}/{path.lstrip('/')}"
