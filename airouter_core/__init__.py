"""One interface to any language model; install only the backends you need.

Everything here is imported when it is first used: ``import airouter_core`` costs next to nothing. The stub beside this
file says the same to type checkers; a test compares the two.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "cli.own_files.aliases": ("read_aliases",),
    "config.http": ("HttpConfig",),
    "config.provider": ("ProviderConfig",),
    "errors": (
        "AirouterError",
        "AuthenticationError",
        "BadRequestError",
        "BudgetExceededError",
        "CallVetoedError",
        "ConfigurationError",
        "ConnectionFailedError",
        "ContentFilteredError",
        "ContextLengthError",
        "ExecutionError",
        "ExposedSecretWarning",
        "InsecureConnectionWarning",
        "MissingApiKeyError",
        "ModelNotFoundError",
        "OverloadedError",
        "ParameterError",
        "PermissionDeniedError",
        "PluginConflictError",
        "PluginLoadError",
        "ProtocolError",
        "ProviderError",
        "QuotaExceededError",
        "RateLimitedError",
        "RetiredModelWarning",
        "ServerError",
        "TransportError",
        "TransportTimeoutError",
        "TruncatedStreamError",
        "UnknownProviderError",
        "UnsupportedFeatureError",
        "UnsupportedParameterWarning",
    ),
    "flow.layers": ("Answer", "Gate", "Layer", "silent", "tapped"),
    "flow.slots": ("Slots",),
    "flow.steps": (
        "Delegate",
        "Do",
        "Emit",
        "Flow",
        "Gather",
        "Open",
        "Pull",
        "Race",
        "ReadAll",
        "ReadSome",
        "Sleep",
        "Take",
        "delegated",
        "done",
        "given",
        "replayed",
    ),
    "manager.comparison": ("Comparison",),
    "manager.providers": ("ProviderManager",),
    "plugins.factory": ("create_provider", "list_providers", "validate_provider_config"),
    "plugins.hookspecs": ("hookimpl",),
    "plugins.registry": ("Plugins",),
    "profile.declarations": ("Command", "LayerInfo", "ProviderInfo", "SettingsTable"),
    "provider.both": ("both",),
    "provider.facade": ("Provider",),
    "provider.http": ("HttpProvider",),
    "provider.preparation": ("Prepared",),
    "provider.streams": ("AsyncResponseStream", "ResponseStream"),
    "cli.questions.fitting": ("fitted",),
    "tools.loop": ("ToolRun",),
    "cli.questions.sources": ("attachment", "fragment"),
    "values.ask": ("Ask",),
    "values.calls": ("Call", "Identity", "Outcome"),
    "values.catalog": ("ModelInfo", "Pricing", "ProviderStatus", "Ranked"),
    "values.events": (
        "Finish",
        "ReasoningDelta",
        "StreamEvent",
        "StreamStart",
        "TextDelta",
        "ToolCallDelta",
        "ToolCallEnd",
        "ToolCallStart",
        "UsageReported",
    ),
    "values.files": ("FilePart",),
    "values.labels": ("labelled",),
    "values.messages": (
        "Message",
        "ProviderPart",
        "ReasoningPart",
        "RefusalPart",
        "TextPart",
        "ToolCallPart",
        "ToolResultPart",
    ),
    "values.parameters": ("Parameter", "ParameterSupport"),
    "values.request": ("Request",),
    "values.response": ("Attempt", "ParameterReceipt", "Response"),
    "values.tools": ("ResponseFormat", "Tool", "ToolChoice"),
    "values.usage": ("Cost", "Usage"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [*sorted(_HOME), "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from .version import VERSION

        return VERSION
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)  # what Python loads on the way is nobody's to use
