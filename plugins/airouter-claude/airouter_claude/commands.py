"""``airouter claude-batch``: message batches from the command line. Needs ``airouter-core[cli]``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import IO, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from airouter_core.cli.choices import json_option, settings_option
from airouter_core.cli.output import note, warn, write, write_json
from airouter_core.cli.tables import write_table
from airouter_core.cli.targets import chosen_provider
from airouter_core.errors import ParameterError

from .batches import Batch, BatchResult
from .plugin import CLAUDE
from .provider import ClaudeProvider

wait_option = click.option("--wait", is_flag=True, help="Wait until the batch has ended, and show how far it is.")


@click.group()
def batch() -> None:
    """Message batches of Claude: many requests, answered within a day for less."""


@batch.command()
@click.argument("requests", type=click.File("r", encoding="utf-8"))
@settings_option
@json_option
@wait_option
def create(requests: IO[str], settings: tuple[str, ...], as_json: bool, wait: bool) -> None:
    """Hand in REQUESTS, a file of JSON lines ("-": standard input).

    Each line has custom_id, model and messages, and may have parameters, tools, tool_choice, response_format and
    provider_options, all as in chat().
    """
    with _provider(settings) as provider:
        made = provider.create_batch(_lines(requests))
        for warning in made.warnings:
            warn(warning)
        _show(_waited(provider, made.id) if wait else made, as_json)


@batch.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000), help="How many.")
@settings_option
@json_option
def list_(limit: int, settings: tuple[str, ...], as_json: bool) -> None:
    """List the newest batches."""
    with _provider(settings) as provider:
        found = provider.list_batches(limit)
    if as_json:
        write_json(found)
        return
    rows = [(one.id, one.status, str(one.created_at or "-"), _told(one)) for one in found]
    write_table(("batch", "status", "created", "requests"), rows)


@batch.command()
@click.argument("batch_id")
@settings_option
@json_option
@wait_option
def show(batch_id: str, settings: tuple[str, ...], as_json: bool, wait: bool) -> None:
    """Show how a batch is doing."""
    with _provider(settings) as provider:
        _show(_waited(provider, batch_id) if wait else provider.get_batch(batch_id), as_json)


@batch.command()
@click.argument("batch_id")
@settings_option
def results(batch_id: str, settings: tuple[str, ...]) -> None:
    """Print the results of a batch that has ended, as JSON lines."""
    with _provider(settings) as provider:
        total = provider.get_batch(batch_id).counts.total
        with _bar() as bar:
            task = bar.add_task("results", total=total or None)
            for result in provider.batch_results(batch_id):
                write(json.dumps(_line(result), ensure_ascii=False))
                bar.advance(task)


@batch.command()
@click.argument("batch_id")
@settings_option
@json_option
def cancel(batch_id: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Stop a batch."""
    with _provider(settings) as provider:
        _show(provider.cancel_batch(batch_id), as_json)


def _provider(settings: tuple[str, ...]) -> ClaudeProvider:
    provider = chosen_provider(CLAUDE.name, None, settings)
    assert isinstance(provider, ClaudeProvider)
    return provider


def _lines(file: IO[str]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise ParameterError(f"line {number} is no JSON: {error}") from error
        if not isinstance(value, dict):
            raise ParameterError(f"line {number} is no JSON object")
        found.append(value)
    return found


def _waited(provider: ClaudeProvider, batch_id: str) -> Batch:
    with _bar() as bar:
        task = bar.add_task(batch_id, total=None)

        def shown(state: Batch) -> None:
            total = state.counts.total
            bar.update(task, total=total or None, completed=total - state.counts.processing)

        return provider.wait_for_batch(batch_id, shown)


def _bar() -> Progress:
    # On stderr, and only where somebody watches: what a pipe gets is the results alone.
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def _show(shown: Batch, as_json: bool) -> None:
    if as_json:
        write_json(shown)
        return
    write(f"{shown.id}  {shown.status}  {_told(shown)}")
    if shown.ended:
        note(f"its results: airouter claude-batch results {shown.id}")


def _told(shown: Batch) -> str:
    return ", ".join(f"{count} {state}" for state, count in shown.counts.items() if count) or "-"


def _line(result: BatchResult) -> Mapping[str, Any]:
    line: dict[str, Any] = {"custom_id": result.custom_id, "outcome": result.outcome}
    if result.response is not None:
        answer = result.response
        calls = [{"id": call.id, "name": call.name, "arguments": call.arguments_json} for call in answer.tool_calls]
        line |= {"text": answer.text, "finish_reason": answer.finish_reason, "usage": dict(answer.usage.raw)}
        line |= {"tool_calls": calls} if calls else {}
    if result.error is not None:
        line["error"] = {"type": result.error.error_type, "message": str(result.error)}
    return line
