"""What the OpenRouter provider can be told."""

from __future__ import annotations

import re

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig

CATEGORY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MOST_CATEGORIES = 2


@attrs.frozen(kw_only=True)
class OpenRouterConfig(HttpConfig):
    """Settings; all but the key have defaults."""

    base_url: str = setting(
        "string",
        default="https://openrouter.ai/api/v1",
        env=("OPENROUTER_BASE_URL",),
        description="address of the API",
    )
    app_name: str | None = setting("string", description="name of your program, shown in OpenRouter's statistics")
    app_url: str | None = setting("string", description="its address, by which OpenRouter knows it")
    app_categories: tuple[str, ...] = setting(
        "strings", default=(), description="at most two kinds of program, such as 'cli-agent'"
    )
    catalog_ttl: float = setting(
        "number", default=300.0, minimum=0, description="seconds for which the list of models is kept; 0: not at all"
    )
    embedding_model: str = setting(
        "string", default="openai/text-embedding-3-small", description="for create_embedding without a model"
    )
    image_model: str = setting(
        "string", default="google/gemini-3.1-flash-lite-image", description="for create_image without a model"
    )

    @property
    def needs_api_key(self) -> bool:
        """Only the list of models can be had without one."""
        return True

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        for name, value in (("app_name", self.app_name), ("app_url", self.app_url)):
            # They travel as headers, whose values are printable ASCII (RFC 9110, section 5.5).
            if value is not None and not (value.isascii() and value.isprintable()):
                raise ValueError(f"{name} must be printable ASCII, since it is sent as a header, not {value!r}")
        wrong = [category for category in self.app_categories if not CATEGORY.fullmatch(category)]
        if wrong or len(self.app_categories) > MOST_CATEGORIES:
            raise ValueError(
                f"app_categories takes at most {MOST_CATEGORIES} words such as 'cli-agent', not {self.app_categories!r}"
            )
