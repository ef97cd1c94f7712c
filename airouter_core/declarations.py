"""What a plugin declares: providers, parameters, commands. Values only, so that declaring costs no import.

The module that an entry point names imports this, :mod:`airouter_core.hookspecs`, and nothing that does work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from .values.kinds import Kind
from .values.record import Record
from .values.shared import shared_methods

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
]


def _pattern(
    expression: re.Pattern[str], example: str
) -> Any:  # attrs' validators have no public type that mypy accepts here
    def validate(_instance: object, attribute: attrs.Attribute[str | None], value: str | None) -> None:
        if value is not None and not expression.fullmatch(value):
            raise ValueError(f"{attribute.name} must look like {example!r}, not {value!r}")

    return validate


def _strings(_instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    # A string where a tuple is meant would declare each of its letters.
    if not isinstance(value, tuple) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{attribute.name} must be a tuple of strings, not {value!r}")


def _string(_instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a string, not {value!r}")


@attrs.frozen
@shared_methods
class Parameter(Record):
    """A canonical parameter: one meaning, one name, and the spellings people use for it.

    Attributes:
        name: the canonical name.
        kind: what its values are.
        aliases: other spellings, each of exactly the same meaning.
        minimum, maximum: the widest range that makes sense for any provider, both included.
        above: a bound that is itself excluded.
        choices: the values allowed, when they can be listed.
        unit: such as ``"tokens"``.
    """

    name: str
    kind: Kind
    aliases: tuple[str, ...] = attrs.field(default=(), validator=_strings)
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    unit: str | None = None
    description: str = ""


@attrs.frozen
@shared_methods
class ParameterSupport(Record):
    """How one provider takes one canonical parameter, or why it does not.

    Attributes:
        name: the canonical name.
        field: where it goes in the body, as a path with dots; ``None`` when the provider does not take it.
        minimum, maximum, above, choices: the provider's own limits, where narrower than the parameter's.
        said_as: words (and ``True``, ``False``) that the provider says otherwise, such as ``{"minimal": "low"}``.
        words: words that are taken beside values of the parameter's kind, such as ``"auto"``, and what the plugin does
            for each; it replaces the word before anything is sent.
        reason: for ``field=None``: why not, and what to do instead.
    """

    name: str
    field: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    said_as: Mapping[str | bool, Any] = attrs.field(factory=dict)
    reason: str | None = None
    words: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
@shared_methods
class ProviderInfo(Record):
    """All that is needed to list a provider, and the names of what is needed to use it.

    Attributes:
        name: canonical name, lower case.
        aliases: other names for the same provider.
        target: ``"package.module:Class"``, imported by the first use.
        config_target: ``"package.module:Class"`` of its configuration; importing it must import no HTTP library.
        kind: whether answers are made on this machine or by a service.
        capabilities: what its models may be able to do. What is not named here is refused before anything is sent.
        parameters: which canonical parameters it takes, and as what.
        model_patterns: glob patterns of model names that are this provider's, for automatic selection.
        api_key_env: environment variable that holds the key by custom.
        interface_version: the :data:`INTERFACE_VERSION` it was written for.
        distribution: filled in by discovery.
    """

    name: str = attrs.field(validator=_pattern(NAME, "my-provider"))
    aliases: tuple[str, ...] = attrs.field(default=(), validator=_strings)
    description: str = ""
    target: str = attrs.field(validator=_pattern(TARGET, "package.module:Class"))
    kind: Literal["local", "cloud"] = "cloud"
    capabilities: tuple[Capability, ...] = attrs.field(default=("chat", "stream", "system_prompt"), validator=_strings)
    parameters: tuple[ParameterSupport, ...] = ()
    model_patterns: tuple[str, ...] = attrs.field(default=(), validator=_strings)
    config_target: str | None = attrs.field(default=None, validator=_pattern(TARGET, "package.config:Config"))
    api_key_env: str | None = None
    interface_version: str = attrs.field(default=INTERFACE_VERSION, validator=_string)
    distribution: str | None = None


@attrs.frozen(kw_only=True)
@shared_methods
class Command(Record):
    """A command that a plugin adds to ``airouter``.

    Attributes:
        target: ``"package.module:function"`` of a click command, imported when it is run.
        help: one line for the list of commands.
    """

    name: str
    target: str = attrs.field(validator=_pattern(TARGET, "package.cli:command"))
    help: str = ""
    distribution: str | None = None
