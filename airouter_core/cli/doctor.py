"""``airouter doctor`` and ``params``: is everything right, and who takes what."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

import attrs
import click

from ..errors import AirouterError, AuthenticationError, ConfigurationError, MissingApiKeyError, TransportError
from ..plugins.registry import installed
from ..profile.declarations import Parameter, ParameterSupport, ProviderInfo
from .checking import findings
from .choices import json_option
from .output import note, told, waiting, warn, write_json
from .tables import write_table
from .targets import NO_MODELS, chosen_provider, current_settings, listed_providers

MACHINE_INTEGER = 2**31 - 1
"""Limits from here on are those of a type, not of a parameter."""


@attrs.frozen
class Diagnosis:
    """How one provider is doing.

    Attributes:
        state: ``"ready"``, ``"no key"``, ``"wrong key"``, ``"not set up"``, ``"unreachable"`` or ``"failing"``.
        seconds: that its backend took to answer.
        models: how many it lists.
        advice: what is wrong, and what to do.
    """

    provider: str
    distribution: str | None
    state: str
    seconds: float | None = None
    models: int | None = None
    advice: str | None = None


@click.command()
@json_option
@click.argument("names", nargs=-1, metavar="[PROVIDER]...")
def doctor(as_json: bool, names: tuple[str, ...]) -> None:
    """Check plugins, settings and providers, and say what to do next.

    Exit code 1 when a plugin is broken, the settings file is wrong, or a PROVIDER that was named is not ready.
    """
    plugins = installed()
    infos = [plugins.provider(name) for name in names] if names else listed_providers()
    general = [str(problem) for problem in plugins.problems] + list(_settings_problems())
    found = []
    for info in infos:
        with waiting(f"{info.name} …"):
            found.append(_diagnosed(info))
    if as_json:
        write_json({"problems": general, "providers": found})
    else:
        for problem in general:
            warn(problem)
        rows = [_row(item, general) for item in found]
        write_table(("provider", "state", "answers in", "models", "what to do"), rows)
        if not infos:
            note("no provider is installed: pip install 'airouter-llamacpp[embedded]', for example")
    failed = bool(general) or (bool(names) and any(item.state != "ready" for item in found))
    click.get_current_context().exit(1 if failed else 0)


@click.command()
@json_option
@click.argument("names", nargs=-1, metavar="[PROVIDER]...")
def params(as_json: bool, names: tuple[str, ...]) -> None:
    """List parameters: their spellings, and which provider takes them under which name and range."""
    plugins = installed()
    infos = [plugins.provider(name) for name in names] if names else listed_providers()
    rows: dict[str, Parameter] = {}
    for info in infos:
        rows.update({row.name: row for row in plugins.parameters(info.name)})
    support = {info.name: {row.name: row for row in info.parameters} for info in infos}
    if as_json:
        write_json(
            [
                {**row, "providers": {name: table.get(row.name) for name, table in support.items()}}
                for row in rows.values()
            ]
        )
        return
    write_table(
        ("parameter", "also", *support),
        [
            (
                row.name,
                ", ".join(row.aliases) or "-",
                *(_taken(table.get(row.name), named=len(support) == 1) for table in support.values()),
            )
            for row in rows.values()
        ],
    )
    if len(support) > 1:
        note("`airouter params PROVIDER` says what each is sent as")


def _diagnosed(info: ProviderInfo) -> Diagnosis:
    began = time.monotonic()
    try:
        with chosen_provider(info.name, None) as provider:
            provider.check()
            models = len(provider.list_models())
    except AirouterError as error:
        return Diagnosis(info.name, info.distribution, _state(error), advice=_advice(info, error))
    seconds = round(time.monotonic() - began, 3)
    return Diagnosis(info.name, info.distribution, "ready", seconds, models, None if models else NO_MODELS)


def _state(error: AirouterError) -> str:
    match error:
        case MissingApiKeyError():
            return "no key"
        case AuthenticationError():
            return "wrong key"
        case ConfigurationError():
            return "not set up"
        case TransportError():
            return "unreachable"
    return "failing"


def _advice(info: ProviderInfo, error: AirouterError) -> str:
    if isinstance(error, MissingApiKeyError):
        return f"airouter keys set {info.name}" + (f", or set {info.api_key_env}" if info.api_key_env else "")
    return told(error)


def _settings_problems() -> Iterable[str]:
    try:
        settings = current_settings()
    except ConfigurationError as error:
        yield str(error)
        return
    for finding in findings(settings) if settings else ():
        if finding.state == "wrong":
            yield finding.message


def _row(item: Diagnosis, general: Collection[str]) -> tuple[str, ...]:
    seconds = "-" if item.seconds is None else f"{item.seconds:.2f} s"
    models = "-" if item.models is None else str(item.models)
    return item.provider, item.state, seconds, models, "see above" if item.advice in general else item.advice or "-"


def _taken(row: ParameterSupport | None, *, named: bool) -> str:
    """Limits, and with ``named`` the field; several providers side by side leave no room for both."""
    if row is None or row.field is None:
        return "-"
    low, high = _number(row.minimum if row.minimum is not None else row.above), _number(row.maximum)
    limits = f"{low}..{high}" if low or high else ""
    return f"{row.field} {limits}".rstrip() if named else limits or "yes"


def _number(value: float | None) -> str:
    return "" if value is None or abs(value) >= MACHINE_INTEGER else f"{value:g}"
