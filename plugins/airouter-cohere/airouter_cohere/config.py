"""What the Cohere provider can be told."""

from __future__ import annotations

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig

VENDOR = "https://api.cohere.com"


@attrs.frozen(kw_only=True)
class CohereConfig(HttpConfig):
    """Settings; see the README for what each is good for."""

    base_url: str = setting(
        "string",
        default=VENDOR,
        env=("CO_API_URL",),
        description="address of the API, or of a deployment of one's own",
    )
    api_key: str | None = setting("string", secret=True, env=("CO_API_KEY", "COHERE_API_KEY"), description="key")

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not self.base_url:
            raise ValueError(f"base_url is empty; leave it out to reach {VENDOR}")

    @property
    def needs_api_key(self) -> bool:
        """Whether a call must fail without a key: the vendor asks for one, other servers may not."""
        return self.root == VENDOR and not self.own_credential

    @property
    def own_credential(self) -> bool:
        """Whether ``custom_headers`` hold a credential, so that none is added."""
        return any(name.lower() == "authorization" for name in self.custom_headers)

    @property
    def root(self) -> str:
        """``base_url`` without the version that other vendors' addresses end in."""
        return self.base_url.rstrip("/").removesuffix("/v2").removesuffix("/v1")

    def url(self, path: str) -> str:
        """The address of ``path`` below :attr:`root`."""
        return f"{self.root}/{path.lstrip('/')}"
