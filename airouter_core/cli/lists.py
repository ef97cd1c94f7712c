"""``airouter models``, ``providers``, ``plugins``: what there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from ..errors import AirouterError
from ..plugins.registry import installed
from .choices import json_option, settings_option
from .output import note, told, waiting, warn, write_json
from .tables import write_table
from .targets import chosen_provider, listed_providers

if TYPE_CHECKING:
    from ..values.catalog import ModelInfo

UNKNOWN = "-"
UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))

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
def plugins(as_json: bool) -> None:
    """List plugins, and what is wrong with them."""
    found = installed()
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


@click.command()
@settings_option
@click.option("-q", "--query", metavar="WORDS", help="Only models whose name or description holds all these words.")
@click.option("--min-context", type=int, metavar="TOKENS", help="Only models that take at least so much.")
@click.option("--free", is_flag=True, help="Only models that cost nothing.")
@click.option("--sort", type=click.Choice(("name", "price", "context")), default="name", help="Order of the list.")
@json_option
@click.argument("provider_name", metavar="[PROVIDER]", required=False)
def models(
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
        _bytes(model.size),
        price,
    )


def _bytes(size: int | None) -> str:
    if size is None:
        return UNKNOWN
    for unit, name in UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"
