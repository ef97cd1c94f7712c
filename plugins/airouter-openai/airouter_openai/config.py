"""What the OpenAI provider can be told."""

from __future__ import annotations

import functools
from typing import Literal
from urllib.parse import urlsplit

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig
from airouter_core.config.loading import require_api_key
from airouter_core.config.secrets import shown_address

Api = Literal["responses", "chat", "completions"]

VENDOR_ADDRESS = "https://api.openai.com/v1"
VENDOR_DOMAIN = "openai.com"
"""Also of the regional addresses, such as ``eu.api.openai.com``."""


@attrs.frozen(kw_only=True)
class OpenAIConfig(HttpConfig):
    """Settings; see the README."""

    base_url: str = setting(
        "string",
        default=VENDOR_ADDRESS,
        env=("OPENAI_BASE_URL",),
        description="address of the API; any other than OpenAI's own is taken for a compatible server",
    )
    api_key: str | None = setting(
        "string", secret=True, description="key; needed at OpenAI, and by compatible servers that ask for one"
    )
    api: Literal["auto", "responses", "chat", "completions"] = setting(
        "string",
        default="auto",
        choices=("auto", "responses", "chat", "completions"),
        description="which API to speak; auto: what the model is best at, and chat with compatible servers",
    )
    organization: str | None = setting(
        "string", env=("OPENAI_ORG_ID",), description="organization to charge, if the key belongs to several"
    )
    project: str | None = setting("string", env=("OPENAI_PROJECT_ID",), description="project to charge")
    store: bool = setting("boolean", default=False, description="let OpenAI keep requests and answers (30 days)")
    reasoning_summary: Literal["auto", "concise", "detailed"] | None = setting(
        "string",
        choices=("auto", "concise", "detailed"),
        description="ask for a summary of the reasoning (responses API); some models want a verified organization",
    )

    def __attrs_post_init__(self) -> None:
        _refuse_address_of_deployment(self.base_url)
        super().__attrs_post_init__()
        if not self.base_url:
            raise ValueError(f"base_url is empty; leave it out to reach OpenAI at {VENDOR_ADDRESS}")
        if self.is_vendor:
            require_api_key(self.api_key, provider="openai", variable="OPENAI_API_KEY")

    @property
    def is_vendor(self) -> bool:
        """Whether ``base_url`` is OpenAI's own."""
        return _is_vendor(self.base_url)


def _refuse_address_of_deployment(base_url: str) -> None:
    """Azure has two addresses: the older one names a deployment and a version of the API in each request."""
    head, deployment, _ = base_url.partition("/openai/deployments/")
    if deployment:
        raise ValueError(
            f"base_url: use {shown_address(head)}/openai/v1, Azure's address that speaks this API, and the "
            "deployment's name as the model"
        )


@functools.lru_cache(maxsize=64)  # asked several times in each call
def _is_vendor(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return host == VENDOR_DOMAIN or host.endswith("." + VENDOR_DOMAIN)
