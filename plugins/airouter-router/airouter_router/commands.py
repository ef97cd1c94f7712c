"""``airouter routes``: what routes there are, and whom one would ask."""

from __future__ import annotations

import contextlib
import json
import pathlib
from typing import TYPE_CHECKING, Any

import click

from airouter_core.cli.output import note, write, write_json
from airouter_core.cli.tables import write_table
from airouter_core.cli.targets import called
from airouter_core.errors import ConfigurationError
from airouter_core.provider.asking import ask_of

from .plugin import ROUTER
from .provider import RouterProvider
from .routes import Route, targets_of
from .state import TargetState

if TYPE_CHECKING:
    from .importing.taken import Taken

AS_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts.")
NONE = "there is no route yet: write [routes.NAME] with targets into airouter.toml (docs/guides/routing.md)"


@click.group()
def routes() -> None:
    """Show routes, and whom they would ask."""


@routes.command("list")
@AS_JSON
def listed(as_json: bool) -> None:
    """Say which routes there are, and who is behind them."""
    with _router() as router:
        found = [*router.routes.values()]
    if as_json:
        write_json([*map(_row, found)])
    elif not found:
        note(NONE)
    else:
        rows = [(*map(str, words), ", ".join(targets)) for *words, targets in (_row(route).values() for route in found)]
        write_table(("route", "strategy", "attempts", "targets"), rows)


def _row(route: Route) -> dict[str, Any]:
    return {
        "route": route.name,
        "strategy": route.tree.strategy,
        "attempts": route.attempts,
        "targets": [*dict.fromkeys(map(str, targets_of(route.tree)))],
    }


@routes.command()
@click.argument("name")
@click.argument("prompt", default="Hello")
@click.option("--session", help="The conversation that it belongs to.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="A tag of the call; may be given again.")
@AS_JSON
def explain(name: str, prompt: str, session: str | None, tags: tuple[str, ...], as_json: bool) -> None:
    """Say whom the route NAME would ask PROMPT, in which order, at which cost, and whom not. Nobody is asked."""
    given: dict[str, Any] = {"session": session, "tags": dict(_tag(tag) for tag in tags)}
    with _router() as router:
        plan = router.plan(ask_of(name.removeprefix("route:"), prompt, **given))
    if as_json:
        write_json(plan)
    else:
        write(plan.explain())


@routes.command()
@AS_JSON
def status(as_json: bool) -> None:
    """Say how each target is doing: who rests and why, how busy it is, what is known of its limits."""
    with _router() as router:
        state = router.state()
    if as_json:
        write_json(state)
        return
    if not state.targets:
        note(NONE)
        return
    write_table(("target", "health", "in flight", "a minute", "left at the vendor"), map(_state_row, state.targets))
    if state.shared is None:
        note("each process knows its own health alone; with a ledger they share it: `airouter logs on`, or [ledger]")
    else:
        count = len(state.processes)
        note(f"{count} process{'' if count == 1 else 'es'} in the last minute, by {state.shared}")


def _state_row(item: TargetState) -> tuple[str, ...]:
    health = "well" if item.resting is None else f"rests {item.seconds or 0:.0f} s more, after {item.resting}"
    if item.begins_after is not None:
        health += f"; begins after {item.begins_after:.2f} s"
    requests = _of(item.limits.requests, item.rpm, "requests")
    tokens = _of(item.limits.tokens, item.tpm, "tokens")
    learned = (
        f"{limit['left'] or 0:,.0f}" + ("" if limit["limit"] is None else f" of {limit['limit']:,.0f}") + f" {words}"
        for words, limit in item.limits.learned.items()
    )
    in_flight = f"{item.limits.in_flight}" + ("" if item.most_in_flight is None else f" of {item.most_in_flight}")
    return item.target, health, in_flight, ", ".join(filter(None, (requests, tokens))), ", ".join(learned)


def _of(used: int | None, limit: int | None, unit: str) -> str:
    return "" if limit is None else f"{used or 0:,} of {limit:,} {unit}"


@routes.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path))
@click.option("--from", "source", type=click.Choice(["litellm", "portkey"]), required=True, help="Whose file it is.")
@click.option("--name", default="imported", show_default=True, help="Portkey: what the route is called.")
@click.option("--model", help="Portkey: what is asked of targets that name no model.")
def take_over(file: pathlib.Path, source: str, name: str, model: str | None) -> None:
    """Print FILE of another program as tables of airouter.toml; what could not be kept is said in comments above."""
    config = _content(file)
    try:
        taken = _taken_over(config, source, name, model)
    except ConfigurationError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # of a stranger's file any part may be anything
        raise ConfigurationError(
            f"{file} is no config of {source} as its documentation describes one ({error}): see that it works there, "
            "and take out what is not of routes"
        ) from error
    for what in taken.lost:
        note(f"not kept: {what}")
    write(taken.as_toml())


def _taken_over(config: Any, source: str, name: str, model: str | None) -> Taken:
    from airouter_core.plugins.registry import installed

    from .importing import litellm, portkey

    if source == "litellm":
        return litellm.taken_over(config, installed())
    return portkey.taken_over(config, installed(), name, model)


def _content(file: pathlib.Path) -> Any:
    found = _read(file)
    if not isinstance(found, dict):
        raise ConfigurationError(f"{file} is no settings file: it must be a table")
    return found


def _read(file: pathlib.Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file} is no text in UTF-8: {error}") from error
    with contextlib.suppress(ValueError):
        return json.loads(text)
    try:
        import yaml
    except ImportError as error:
        raise ConfigurationError(f"{file} is YAML: pip install 'airouter-router[import]' to read it") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{file} is neither JSON nor YAML: {error}") from error


def _tag(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"a tag is NAME=VALUE, not {text!r}")
    return name, value


def _router() -> RouterProvider:
    router = called(ROUTER.name)
    assert isinstance(router, RouterProvider)
    return router
