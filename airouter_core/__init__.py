"""One interface to any language model; install only the backends you need.

Everything here is imported when it is first used: ``import airouter_core`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .calls import AsyncResponseStream, Call, Outcome, ResponseStream
    from .config import HttpConfig, ProviderConfig
    from .declarations import Command, Parameter, ParameterSupport, ProviderInfo
    from .errors import (
        AirouterError,
        AuthenticationError,
        BadRequestError,
        CallVetoedError,
        ConfigurationError,
        ConnectionFailedError,
        ContentFilteredError,
        ContextLengthError,
        ExecutionError,
        ExposedSecretWarning,
        InsecureConnectionWarning,
        MissingApiKeyError,
        ModelNotFoundError,
        OverloadedError,
        ParameterError,
        PermissionDeniedError,
        PluginConflictError,
        PluginLoadError,
        ProtocolError,
        ProviderError,
        QuotaExceededError,
        RateLimitedError,
        RetiredModelWarning,
        ServerError,
        TransportError,
        TransportTimeoutError,
        TruncatedStreamError,
        UnknownProviderError,
        UnsupportedFeatureError,
        UnsupportedParameterWarning,
    )
    from .factory import create_provider, list_providers, validate_provider_config
    from .hookspecs import hookimpl
    from .http_provider import HttpProvider
    from .manager import Comparison, ProviderManager
    from .plugins import Plugins
    from .provider import Provider
    from .tool_loop import ToolRun
    from .values.catalog import ModelInfo, Pricing, ProviderStatus
    from .values.events import (
        Finish,
        ReasoningDelta,
        StreamEvent,
        StreamStart,
        TextDelta,
        ToolCallDelta,
        ToolCallEnd,
        ToolCallStart,
        UsageReported,
    )
    from .values.messages import (
        FilePart,
        Message,
        ProviderPart,
        ReasoningPart,
        RefusalPart,
        TextPart,
        ToolCallPart,
        ToolResultPart,
    )
    from .values.request import Request
    from .values.response import ParameterReceipt, Response
    from .values.tools import ResponseFormat, Tool, ToolChoice
    from .values.usage import Cost, Usage
    from .version import VERSION as __version__

_HOMES = {
    "calls": ("AsyncResponseStream", "Call", "Outcome", "ResponseStream"),
    "config": ("HttpConfig", "ProviderConfig"),
    "declarations": ("Command", "Parameter", "ParameterSupport", "ProviderInfo"),
    "errors": (
        "AirouterError",
        "AuthenticationError",
        "BadRequestError",
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
    "factory": ("create_provider", "list_providers", "validate_provider_config"),
    "hookspecs": ("hookimpl",),
    "http_provider": ("HttpProvider",),
    "manager": ("Comparison", "ProviderManager"),
    "plugins": ("Plugins",),
    "provider": ("Provider",),
    "tool_loop": ("ToolRun",),
    "values.catalog": ("ModelInfo", "Pricing", "ProviderStatus"),
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
    "values.messages": (
        "FilePart",
        "Message",
        "ProviderPart",
        "ReasoningPart",
        "RefusalPart",
        "TextPart",
        "ToolCallPart",
        "ToolResultPart",
    ),
    "values.request": ("Request",),
    "values.response": ("ParameterReceipt", "Response"),
    "values.tools": ("ResponseFormat", "Tool", "ToolChoice"),
    "values.usage": ("Cost", "Usage"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [  # noqa: PLE0604  # the strings are names of the table above; a test compares it with the imports
    "__version__",
    *sorted(_HOME),
]


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
    return sorted({*globals(), *__all__})
