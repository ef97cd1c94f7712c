"""What the Ollama provider can be told."""

from __future__ import annotations

from typing import Literal

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig

from .address import address_of, is_cloud
from .keep_alive import check_keep_alive


@attrs.frozen(kw_only=True)
class OllamaConfig(HttpConfig):
    """Settings; the README tells more of each."""

    base_url: str = setting(
        "string",
        default="",
        env=("OLLAMA_HOST",),
        description="address of the server, in any spelling of OLLAMA_HOST; http://127.0.0.1:11434 unless set",
    )
    api_key: str | None = setting("string", secret=True, description="key, sent to base_url whatever that is")
    cloud_api_key: str | None = setting(
        "string", secret=True, env=("OLLAMA_API_KEY",), description="key, sent to https://ollama.com only"
    )
    keep_alive: str | float | None = setting(
        "any",
        description='how long a model stays loaded after a call: seconds, or "10m"; negative: for ever; 0: not at all',
    )
    context: int | str | None = setting(
        "integer",
        also=("string",),
        description='tokens that prompt and answer share, for calls that do not say; "auto": the smallest that fits',
    )
    on_truncation: Literal["warn", "error", "ignore"] = setting(
        "string",
        default="warn",
        choices=("warn", "error", "ignore"),
        description="when a prompt is longer than the context: warn in the response, raise ContextLengthError, or "
        "leave it to the server, which says nothing",
    )
    auto_pull: bool = setting("boolean", default=False, description="pull a model that is not there, then call it")
    fetch_images: bool = setting(
        "boolean",
        default=False,
        description="fetch images given by address, from hosts of the open net; Ollama itself takes only their bytes",
    )
    count_by_evaluation: bool = setting(
        "boolean",
        default=False,
        description="count_tokens lets the model read the text, which is exact and takes as long as reading it",
    )
    embedding_model: str | None = setting("string", description="model of create_embedding when none is named")

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "base_url", address_of(self.base_url))
        super().__attrs_post_init__()
        if isinstance(self.context, str) and self.context != "auto":
            raise ValueError(f'context must be a whole number or "auto", not {self.context!r}')
        if isinstance(self.context, int) and self.context < 1:
            raise ValueError(f"context must be at least 1, not {self.context}")
        if self.keep_alive is not None:
            check_keep_alive(self.keep_alive)

    @property
    def key(self) -> str | None:
        """The key that goes to ``base_url``.

        One that merely stands in the environment is meant for Ollama's own service and goes nowhere else: the same
        environment may name a server of somebody else.
        """
        return self.api_key or (self.cloud_api_key if is_cloud(self.base_url) else None)
