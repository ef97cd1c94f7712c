"""What every provider can be told, however it is reached."""

from __future__ import annotations

from typing import Literal

import attrs

from .fields import setting


@attrs.frozen(kw_only=True)
class ProviderConfig:
    """What every provider can be told."""

    unsupported_parameters: Literal["warn", "error"] = setting(
        "string",
        default="warn",
        choices=("warn", "error"),
        description="what to do with a known parameter that the provider or model does not take",
    )
    log_content: bool = setting("boolean", default=False, description="write prompts and answers to the DEBUG log")
