"""What the router can be told: providers, routes over them, and what is known of single targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.provider import ProviderConfig


@attrs.frozen(kw_only=True)
class RouterConfig(ProviderConfig):
    """Settings; ``docs/guides/routing.md`` tells what each is good for."""

    providers: Mapping[str, Any] = setting(
        "mapping",
        factory=dict,
        secret=True,  # keys are among their settings
        description="who is asked, by name: the settings of each, with `provider` where the name is one of your own",
    )
    routes: Mapping[str, Any] = setting("mapping", factory=dict, description="routes by name")
    targets: Mapping[str, Any] = setting(
        "mapping", factory=dict, description="weight, limits, context, capabilities, price ceiling of single targets"
    )
    prices: Mapping[str, Any] = setting(
        "mapping", factory=dict, description="your own prices by target, in dollars per million tokens"
    )
