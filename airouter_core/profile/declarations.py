"""What a plugin declares: providers, parameters, commands. Values only, so that declaring costs no import.

The module that an entry point names imports this, :mod:`airouter_core.plugins.hookspecs`, and nothing that does work.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from ..values.parameters import Parameter as Parameter  # noqa: PLC0414  # declared beside the rest
from ..values.parameters import ParameterSupport as ParameterSupport  # noqa: PLC0414  # as above
from ..values.record import Record

INTERFACE_VERSION = "1.0"
"""Version of the interface between core and plugins; ``docs/compatibility.md`` says what a change of it means."""

TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")

Capability = Literal[
    "chat",
    "stream",
    "system_prompt",
    "tools",
    "tool_choice",
    "json",
    "json_schema",
    "vision",
    "documents",
    "audio_input",
    "reasoning",
    "logprobs",
    "embeddings",
    "images",
    "moderation",
    "token_counting",
    "model_management",
    "batches",
    "rerank",
    "routing",
]
CHAT: tuple[Capability, ...] = ("chat", "stream", "system_prompt")
"""What a provider can do that says nothing else."""
FULL_CHAT: tuple[Capability, ...] = (*CHAT, "tools", "tool_choice", "json", "json_schema")
"""What most services can do: tools that must be called, and answers held to a schema, included."""


def _like(instance: object, name: str, expression: re.Pattern[str], example: str) -> None:
    value = getattr(instance, name)
    if value is not None and not expression.fullmatch(value):
        raise ValueError(f"{name} must look like {example!r}, not {value!r}")


def _strings(instance: object, name: str) -> None:
    value = getattr(instance, name)
    # A string where a tuple is meant would declare each of its letters.
    if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{name} must be a tuple of strings, not {value!r}")


def _string(instance: object, name: str) -> None:
    value = getattr(instance, name)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, not {value!r}")


def not_taken(reason: str, names: str) -> tuple[ParameterSupport, ...]:
    """Rows of parameters that a provider does not take, all for one reason.

    Args:
        names: canonical ones, with blanks between them.
    """
    return tuple(ParameterSupport(name, reason=reason) for name in names.split())


class ProviderInfo(Record, frozen=True, kw_only=True):
    """All that is needed to list a provider, and the names of what is needed to use it.

    Attributes:
        name: canonical name, lower case.
        aliases: other names for the same provider.
        target: ``"package.module:Class"``, imported by the first use.
        config_target: ``"package.module:Class"`` of its configuration; importing it must import no HTTP library.
        kind: whether answers are made on this machine or by a service.
        capabilities: what its models may be able to do. What is not named here is refused before anything is sent.
            ``"routing"`` says that it asks others: its setting ``providers`` is given those of the settings file.
        parameters: which canonical parameters it takes, and as what.
        model_patterns: glob patterns of model names that are this provider's, for automatic selection.
        api_key_env: environment variable that holds the key by custom.
        environment: further variables that, when set, tell that this provider is meant to be used.
        listed: whether the command line lists it always, or once it is configured: one of many that a plugin brings.
        interface_version: the :data:`INTERFACE_VERSION` it was written for.
        distribution: filled in by discovery.
    """

    name: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    target: str
    kind: Literal["local", "cloud"] = "cloud"
    capabilities: tuple[Capability, ...] = CHAT
    parameters: tuple[ParameterSupport, ...] = ()
    model_patterns: tuple[str, ...] = ()
    config_target: str | None = None
    api_key_env: str | None = None
    environment: tuple[str, ...] = ()
    listed: Literal["always", "when configured"] = "always"
    interface_version: str = INTERFACE_VERSION
    distribution: str | None = None

    def __post_init__(self) -> None:
        _like(self, "name", NAME, "my-provider")
        _strings(self, "aliases")
        _like(self, "target", TARGET, "package.module:Class")
        _strings(self, "capabilities")
        _strings(self, "model_patterns")
        _strings(self, "environment")
        _like(self, "config_target", TARGET, "package.config:Config")
        _string(self, "interface_version")


class SettingsTable(Record, frozen=True, kw_only=True):
    """A table of the settings file that is a plugin's own and no provider's: ``[NAME]``, or ``[NAME.ANYTHING]``.

    Attributes:
        name: as it stands in the file.
        description: one line for the file that ``airouter config init`` writes.
        harmless: it counts also in a file that nobody has trusted; for what leads no prompt, key or money anywhere.
        provider: a provider that is there once the file has this table, and is given it as the setting of this name.
        distribution: filled in by discovery.
    """

    name: str
    description: str = ""
    harmless: bool = False
    provider: str | None = None
    distribution: str | None = None

    def __post_init__(self) -> None:
        _like(self, "name", NAME, "my-table")


class Command(Record, frozen=True, kw_only=True):
    """A command that a plugin adds to ``airouter``.

    Attributes:
        target: ``"package.module:function"`` of a click command, imported when it is run.
        help: one line for the list of commands.
    """

    name: str
    target: str
    help: str = ""
    distribution: str | None = None

    def __post_init__(self) -> None:
        _like(self, "target", TARGET, "package.cli:command")


Position = Literal["admit", "ledger", "cache", "limit", "route"]
POSITIONS: tuple[Position, ...] = get_args(Position)
"""Where layers stand, outermost first; behind them all is the provider."""


class LayerInfo(Record, frozen=True):
    """A layer around everything that providers answer; see :mod:`airouter_core.flow.layers`.

    Attributes:
        name: what it is called where it is told of.
        target: ``"package.module:function"``, imported by the first call; called with the plugin's own table of the
            settings file, it gives the layer.
        position: where it stands: ``"admit"`` is outermost, ``"route"`` next to the provider.
        distribution: filled in by the core.
    """

    name: str
    target: str
    position: Position
    distribution: str | None = None

    def __post_init__(self) -> None:
        _like(self, "target", TARGET, "airouter_example.layers:make")
        if self.position not in POSITIONS:
            raise ValueError(f"position must be one of {', '.join(POSITIONS)}, not {self.position!r}")
