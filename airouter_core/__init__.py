"""One interface to any language model; install only the backends you need.

Everything here is imported when it is first used: ``import airouter_core`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .calls import (
        AsyncResponseStream as AsyncResponseStream,
    )
    from .calls import (
        Call as Call,
    )
    from .calls import (
        Outcome as Outcome,
    )
    from .calls import (
        ResponseStream as ResponseStream,
    )
    from .config import (
        HttpConfig as HttpConfig,
    )
    from .config import (
        ProviderConfig as ProviderConfig,
    )
    from .declarations import (
        Command as Command,
    )
    from .declarations import (
        Parameter as Parameter,
    )
    from .declarations import (
        ParameterSupport as ParameterSupport,
    )
    from .declarations import (
        ProviderInfo as ProviderInfo,
    )
    from .errors import (
        AirouterError as AirouterError,
    )
    from .errors import (
        AuthenticationError as AuthenticationError,
    )
    from .errors import (
        BadRequestError as BadRequestError,
    )
    from .errors import (
        CallVetoedError as CallVetoedError,
    )
    from .errors import (
        ConfigurationError as ConfigurationError,
    )
    from .errors import (
        ConnectionFailedError as ConnectionFailedError,
    )
    from .errors import (
        ContentFilteredError as ContentFilteredError,
    )
    from .errors import (
        ContextLengthError as ContextLengthError,
    )
    from .errors import (
        ExecutionError as ExecutionError,
    )
    from .errors import (
        ExposedSecretWarning as ExposedSecretWarning,
    )
    from .errors import (
        InsecureConnectionWarning as InsecureConnectionWarning,
    )
    from .errors import (
        MissingApiKeyError as MissingApiKeyError,
    )
    from .errors import (
        ModelNotFoundError as ModelNotFoundError,
    )
    from .errors import (
        OverloadedError as OverloadedError,
    )
    from .errors import (
        ParameterError as ParameterError,
    )
    from .errors import (
        PermissionDeniedError as PermissionDeniedError,
    )
    from .errors import (
        PluginConflictError as PluginConflictError,
    )
    from .errors import (
        PluginLoadError as PluginLoadError,
    )
    from .errors import (
        ProtocolError as ProtocolError,
    )
    from .errors import (
        ProviderError as ProviderError,
    )
    from .errors import (
        QuotaExceededError as QuotaExceededError,
    )
    from .errors import (
        RateLimitedError as RateLimitedError,
    )
    from .errors import (
        RetiredModelWarning as RetiredModelWarning,
    )
    from .errors import (
        ServerError as ServerError,
    )
    from .errors import (
        TransportError as TransportError,
    )
    from .errors import (
        TransportTimeoutError as TransportTimeoutError,
    )
    from .errors import (
        TruncatedStreamError as TruncatedStreamError,
    )
    from .errors import (
        UnknownProviderError as UnknownProviderError,
    )
    from .errors import (
        UnsupportedFeatureError as UnsupportedFeatureError,
    )
    from .errors import (
        UnsupportedParameterWarning as UnsupportedParameterWarning,
    )
    from .factory import (
        create_provider as create_provider,
    )
    from .factory import (
        list_providers as list_providers,
    )
    from .factory import (
        validate_provider_config as validate_provider_config,
    )
    from .hookspecs import (
        hookimpl as hookimpl,
    )
    from .http_provider import (
        HttpProvider as HttpProvider,
    )
    from .manager import (
        Comparison as Comparison,
    )
    from .manager import (
        ProviderManager as ProviderManager,
    )
    from .plugins import (
        Plugins as Plugins,
    )
    from .provider import (
        Provider as Provider,
    )
    from .tool_loop import (
        ToolRun as ToolRun,
    )
    from .values.catalog import (
        ModelInfo as ModelInfo,
    )
    from .values.catalog import (
        Pricing as Pricing,
    )
    from .values.catalog import (
        ProviderStatus as ProviderStatus,
    )
    from .values.events import (
        Finish as Finish,
    )
    from .values.events import (
        ReasoningDelta as ReasoningDelta,
    )
    from .values.events import (
        StreamEvent as StreamEvent,
    )
    from .values.events import (
        StreamStart as StreamStart,
    )
    from .values.events import (
        TextDelta as TextDelta,
    )
    from .values.events import (
        ToolCallDelta as ToolCallDelta,
    )
    from .values.events import (
        ToolCallEnd as ToolCallEnd,
    )
    from .values.events import (
        ToolCallStart as ToolCallStart,
    )
    from .values.events import (
        UsageReported as UsageReported,
    )
    from .values.messages import (
        FilePart as FilePart,
    )
    from .values.messages import (
        Message as Message,
    )
    from .values.messages import (
        ProviderPart as ProviderPart,
    )
    from .values.messages import (
        ReasoningPart as ReasoningPart,
    )
    from .values.messages import (
        RefusalPart as RefusalPart,
    )
    from .values.messages import (
        TextPart as TextPart,
    )
    from .values.messages import (
        ToolCallPart as ToolCallPart,
    )
    from .values.messages import (
        ToolResultPart as ToolResultPart,
    )
    from .values.request import (
        Request as Request,
    )
    from .values.response import (
        ParameterReceipt as ParameterReceipt,
    )
    from .values.response import (
        Response as Response,
    )
    from .values.tools import (
        ResponseFormat as ResponseFormat,
    )
    from .values.tools import (
        Tool as Tool,
    )
    from .values.tools import (
        ToolChoice as ToolChoice,
    )
    from .values.usage import (
        Cost as Cost,
    )
    from .values.usage import (
        Usage as Usage,
    )
    from .version import (
        VERSION as __version__,
    )

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

# Written out, because type checkers read it; a test compares it with the table above and with the imports.
__all__ = [
    "AirouterError",
    "AsyncResponseStream",
    "AuthenticationError",
    "BadRequestError",
    "Call",
    "CallVetoedError",
    "Command",
    "Comparison",
    "ConfigurationError",
    "ConnectionFailedError",
    "ContentFilteredError",
    "ContextLengthError",
    "Cost",
    "ExecutionError",
    "ExposedSecretWarning",
    "FilePart",
    "Finish",
    "HttpConfig",
    "HttpProvider",
    "InsecureConnectionWarning",
    "Message",
    "MissingApiKeyError",
    "ModelInfo",
    "ModelNotFoundError",
    "Outcome",
    "OverloadedError",
    "Parameter",
    "ParameterError",
    "ParameterReceipt",
    "ParameterSupport",
    "PermissionDeniedError",
    "PluginConflictError",
    "PluginLoadError",
    "Plugins",
    "Pricing",
    "ProtocolError",
    "Provider",
    "ProviderConfig",
    "ProviderError",
    "ProviderInfo",
    "ProviderManager",
    "ProviderPart",
    "ProviderStatus",
    "QuotaExceededError",
    "RateLimitedError",
    "ReasoningDelta",
    "ReasoningPart",
    "RefusalPart",
    "Request",
    "Response",
    "ResponseFormat",
    "ResponseStream",
    "RetiredModelWarning",
    "ServerError",
    "StreamEvent",
    "StreamStart",
    "TextDelta",
    "TextPart",
    "Tool",
    "ToolCallDelta",
    "ToolCallEnd",
    "ToolCallPart",
    "ToolCallStart",
    "ToolChoice",
    "ToolResultPart",
    "ToolRun",
    "TransportError",
    "TransportTimeoutError",
    "TruncatedStreamError",
    "UnknownProviderError",
    "UnsupportedFeatureError",
    "UnsupportedParameterWarning",
    "Usage",
    "UsageReported",
    "__version__",
    "create_provider",
    "hookimpl",
    "list_providers",
    "validate_provider_config",
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
