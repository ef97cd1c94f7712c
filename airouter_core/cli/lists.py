"""``airouter models``, ``providers``, ``plugins``: what there is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from ..errors import AirouterError, ConfigurationError
from ..plugins.registry import installed
from .choices import json_option, settings_option
from .output import note, told, waiting, warn, write, write_json
from .own_files.defaults import set_default_model
from .tables import in_units, write_table
from .targets import chosen_provider, current_settings, full_address, listed_providers, named_target

if TYPE_CHECKING:
    from ..values.catalog import ModelInfo

UNKNOWN = "-"
FEW = 6
"""Names that a cell lists."""
INFINITE = Decimal("Infinity")

ORDERS: Mapping[str, Callable[[ModelInfo], Any]] = {
    "name": lambda model: (model.provider, model.id),
    "price": lambda model: (_price(model), model.id),
    "context": lambda model: (-(model.context_length or 0), model.id),
}


@click.command()
@json_option
@click.option("-a", "--all", "unconfigured", is_flag=True, help="Also services for which nothing is set up.")
def providers(as_json: bool, unconfigured: bool) -> None:
    """List the providers that are installed; of services that a plugin brings by the dozen, those that are set up."""
    plugins = installed()
    infos = listed_providers(unconfigured=unconfigured)
    if as_json:
        write_json(infos)
        return
    rows = [
        (info.name, ", ".join(info.aliases) or UNKNOWN, info.kind, info.distribution or UNKNOWN, info.description)
        for info in infos
    ]
    write_table(("name", "also", "kind", "package", "what it is"), rows)
    if not infos:
        note("none is installed: pip install 'airouter-llamacpp[embedded]', for example")
    if more := len(plugins.providers()) - len(infos):
        note(f"{more} more can be set up: `airouter providers --all` lists them")
    if plugins.problems:
        warn(f"{len(plugins.problems)} plugin(s) with problems: `airouter plugins` names them")


@click.command()
@json_option
@click.option("--available", "not_only_here", is_flag=True, help="List what can be installed.")
def plugins(as_json: bool, not_only_here: bool) -> None:
    """List plugins, and what is wrong with them."""
    found = installed()
    if not_only_here:
        _list_available(as_json=as_json)
        return
    if as_json:
        problems = [
            {"distribution": problem.source.distribution, "message": problem.message, "cure": problem.cure}
            for problem in found.problems
        ]
        write_json({"plugins": found.sources, "problems": problems})
        return
    rows = []
    for source in found.sources:
        names = [info.name for info in found.providers() if info.distribution == source.distribution]
        rows.append((source.distribution, source.version or UNKNOWN, "ok", ", ".join(names) or UNKNOWN))
    rows += [
        (problem.source.distribution, problem.source.version or UNKNOWN, "problem", ", ".join(problem.names) or UNKNOWN)
        for problem in found.problems
    ]
    write_table(("package", "version", "state", "providers"), rows)
    for problem in found.problems:
        warn(str(problem))


def _list_available(*, as_json: bool) -> None:
    from .available import available, installed_version

    found = [(one, installed_version(one.name)) for one in available()]
    if as_json:
        write_json(
            [
                {"name": one.name, "brings": one.brings, "description": one.description, "installed": version}
                for one, version in found
            ]
        )
        return
    rows = [(one.name, version or UNKNOWN, _few(one.brings), one.description) for one, version in found]
    write_table(("package", "installed", "brings", "what it is"), rows)
    note("`airouter install NAME` installs one, by the name of the package or of what it brings")


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(names[:FEW]) + more or UNKNOWN


class ListsFirst(click.Group):
    """Lists unless told otherwise: `airouter models llama-cpp` is `airouter models list llama-cpp`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=ListsFirst)
def models() -> None:
    """List models, or set the one that is asked when none is named.

    `airouter models PROVIDER` is short for `airouter models list PROVIDER`, whose help has the options.
    """


@models.command()
@click.argument("address", metavar="[PROVIDER/MODEL]", required=False)
def default(address: str | None) -> None:
    """Show or set the model that is asked when none is named; an alias stands for what it means."""
    if address is None:
        provider, model = named_target(None, None)
        write(f"{provider}/{model}" if model else provider)
        return
    meant = full_address(address)
    path = set_default_model(meant.provider, meant.model)
    current_settings.cache_clear()
    note(f"default model: {meant} ({path})")
    with contextlib.suppress(ConfigurationError):
        if named_target(None, None) != meant:
            note("here something else comes first: the environment, or the settings file of this folder")


@models.command(name="list")
@settings_option
@click.option("-q", "--query", metavar="WORDS", help="Only models whose name or description holds all these words.")
@click.option("--min-context", type=int, metavar="TOKENS", help="Only models that take at least so much.")
@click.option("--free", is_flag=True, help="Only models that cost nothing.")
@click.option("--sort", type=click.Choice(("name", "price", "context")), default="name", help="Order of the list.")
@json_option
@click.argument("provider_name", metavar="[PROVIDER]", required=False)
def list_models(
    provider_name: str | None,
    settings: tuple[str, ...],
    query: str | None,
    min_context: int | None,
    free: bool,
    sort: str,
    as_json: bool,
) -> None:
    """List the models of PROVIDER, or of all providers that can be asked."""
    found: list[ModelInfo] = []
    if provider_name:
        with waiting(f"{provider_name} …"), chosen_provider(provider_name, None, settings) as provider:
            found = provider.list_models()
    else:
        for info in listed_providers():
            try:
                with waiting(f"{info.name} …"), chosen_provider(info.name, None) as provider:
                    found += provider.list_models()
            except AirouterError as error:
                said = told(error)
                note(said if said.startswith(info.name) else f"{info.name}: {said}")
    found = sorted((model for model in found if _wanted(model, query, min_context, free)), key=ORDERS[sort])
    if as_json:
        write_json(found)
        return
    write_table(
        ("model", "provider", "context", "weights", "size", "$ per million in / out"),
        [_row(model) for model in found],
    )
    if not found:
        note("no model fits" if query or min_context or free else "no models")
    for model in found:
        if model.problem:
            warn(f"{model.id}: {model.problem}")


def _wanted(model: ModelInfo, query: str | None, min_context: int | None, free: bool) -> bool:
    said = f"{model.id} {model.name} {model.description or ''}".lower()
    return (
        all(word in said for word in (query or "").lower().split())
        and (min_context is None or (model.context_length or 0) >= min_context)
        and (not free or _price(model) == 0)
    )


def _price(model: ModelInfo) -> Decimal:
    pricing = model.pricing
    if pricing is None or pricing.prompt is None or pricing.completion is None:
        return INFINITE
    return pricing.prompt + pricing.completion


def _row(model: ModelInfo) -> tuple[str, ...]:
    price = UNKNOWN
    if model.pricing is not None and model.pricing.prompt is not None and model.pricing.completion is not None:
        price = f"{model.pricing.prompt * 10**6:.2f} / {model.pricing.completion * 10**6:.2f}"
    weights = " ".join(part for part in (model.parameters, model.quantization) if part)
    return (
        model.id,
        model.provider,
        str(model.context_length or UNKNOWN),
        weights or UNKNOWN,
        UNKNOWN if model.size is None else in_units(model.size),
        price,
    )
