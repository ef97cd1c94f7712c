"""Which provider and model a command means, and with which settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from ..errors import ConfigurationError, ParameterError
from ..plugins.factory import config_class
from ..profile.declarations import ProviderInfo
from ..values.kinds import parsed
from .input import TEXT

if TYPE_CHECKING:
    from ..profile.resolving import ParameterTable


class NameAndValue(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """``NAME=VALUE``. A name alone is told at once, before what follows it is taken for something else."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> str:
        text: str = TEXT.convert(value, param, context)
        if "=" not in text:
            self.fail(f"it takes NAME=VALUE in one word, not {text!r}", param, context)
        return text


NAME_AND_VALUE = NameAndValue()
Function = TypeVar("Function", bound=Callable[..., Any])

provider_option = click.option(
    "-p", "--provider", "provider_name", metavar="NAME", help="Provider; `airouter providers` lists them."
)
model_option = click.option("-m", "--model", metavar="MODEL", help="Model, or PROVIDER/MODEL; see `airouter models`.")
settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    type=NAME_AND_VALUE,
    metavar="NAME=VALUE",
    help="Setting of the provider, such as timeout=60.",
)
parameters_option = click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    type=NAME_AND_VALUE,
    metavar="NAME=VALUE",
    help="Parameter, such as temperature=0.2; `airouter params` lists them.",
)
provider_option_option = click.option(
    "--provider-option",
    "own_options",
    multiple=True,
    type=NAME_AND_VALUE,
    metavar="NAME=VALUE",
    help="What only this provider understands; VALUE may be JSON.",
)
system_option = click.option("-s", "--system", metavar="TEXT", type=TEXT, help="System prompt.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def target_options(function: Function) -> Function:
    """The options of a command that asks one model."""
    return provider_option(model_option(settings_option(function)))


def given_parameters(options: Sequence[str], table: ParameterTable) -> dict[str, Any]:
    """Parameters from ``name=value`` texts, each read as its kind.

    Raises:
        ParameterError: one is unknown or cannot be read.
    """
    parameters: dict[str, Any] = {}
    for option in options:
        name, equals, text = option.partition("=")
        name = name.strip()
        if not equals:
            raise ParameterError(f"a parameter is given as NAME=VALUE, not {option!r}")
        kind = table.find(name).kind
        try:
            value = parsed(text, kind)
        except ValueError as error:
            raise ParameterError(f"parameter {name} {error}") from error
        # A list is given by naming it several times.
        parameters[name] = (*parameters.get(name, ()), *value) if kind == "strings" else value
    return parameters


def given_provider_options(options: Sequence[str]) -> dict[str, Any]:
    """What only one provider understands, from ``name=value`` texts: JSON where it is some, else text.

    Raises:
        ParameterError: one has no name.
    """
    given: dict[str, Any] = {}
    for option in options:
        name, _, text = option.partition("=")
        if not name.strip():
            raise ParameterError(f"--provider-option takes NAME=VALUE, not {option!r}")
        try:
            given[name.strip()] = json.loads(text)
        except (ValueError, RecursionError):
            given[name.strip()] = text
    return given


def given_settings(info: ProviderInfo, settings: Sequence[str]) -> dict[str, Any]:
    fields: Mapping[str, Any] = {field.name: field for field in attrs.fields(config_class(info))}
    values: dict[str, Any] = {}
    for setting in settings:
        key, _, text = setting.partition("=")
        field = fields.get(key)
        if field is not None and field.metadata.get("secret"):
            raise ConfigurationError(
                f"{key} is secret, and others could see it on the command line; use `airouter keys set {info.name}`"
                + (f" or the environment variable {info.api_key_env}" if info.api_key_env else "")
            )
        try:
            values[key] = parsed(text, field.metadata["kind"]) if field is not None else text
        except ValueError as error:
            raise ConfigurationError(f"setting {key} {error}") from error
    return values
