"""``airouter ollama``: the models of a server, from the command line."""

from __future__ import annotations

import datetime
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from airouter_core.cli.output import note, write, write_json
from airouter_core.cli.streams import harmless
from airouter_core.cli.tables import write_table
from airouter_core.plugins.factory import create_provider
from airouter_core.values.record import plain

from .models import ModelDetails, RunningModel
from .progress import Progress
from .provider import OllamaProvider

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT, as shells have it."""

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Write JSON.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--host", metavar="ADDRESS", help="The server, in any spelling of OLLAMA_HOST.")
@click.pass_context
def ollama(context: click.Context, host: str | None) -> None:
    """Pull, show and remove the models of an Ollama server."""
    provider = create_provider("ollama", {"base_url": host} if host else None)
    context.obj = provider
    context.call_on_close(provider.close)


@ollama.command()
@click.argument("name")
@click.option("--insecure", is_flag=True, help="Take a registry without TLS.")
@AS_JSON
@click.pass_obj
def pull(provider: OllamaProvider, name: str, insecure: bool, as_json: bool) -> None:
    """Download a model, or what is missing of it."""
    reporter = _JsonLines() if as_json else _Bars() if sys.stderr.isatty() else _Lines()
    try:
        with reporter:
            provider.pull_model(name, reporter.report, insecure=insecure)
    except KeyboardInterrupt:
        # The connection is closed by now, at which the server stops; what it has, it keeps.
        note(f"stopped; `airouter ollama pull {name}` goes on where it stopped")
        raise click.exceptions.Exit(INTERRUPTED) from None


@ollama.command()
@click.argument("names", nargs=-1, required=True)
@click.pass_obj
def rm(provider: OllamaProvider, names: tuple[str, ...]) -> None:
    """Remove models from the server's disk."""
    for name in names:
        provider.delete_model(name)
        note(f"removed {name}")


@ollama.command()
@AS_JSON
@click.pass_obj
def ps(provider: OllamaProvider, as_json: bool) -> None:
    """List the models that are loaded now."""
    running = provider.list_running_models()
    if as_json:
        write_json([{**model, "raw": None} for model in running])
        return
    write_table(("model", "memory", "on GPU", "context", "until"), map(_row, running))


@ollama.command()
@click.argument("name")
@AS_JSON
@click.pass_obj
def show(provider: OllamaProvider, name: str, as_json: bool) -> None:
    """Show what is known about a model."""
    details = provider.show_model(name)
    if as_json:
        write_json({**details, "raw": None})
        return
    for label, value in _described(details):
        if value not in (None, "", ()):
            write(f"{label:<14}{value}")


class _JsonLines:
    """A JSON object for each report."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def report(self, progress: Progress) -> None:
        write(json.dumps(plain(progress)))


class _Lines:
    """A line for each step and each whole layer: for logs."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def report(self, progress: Progress) -> None:
        if progress.status not in self._said:
            self._said.add(progress.status)
            size = f" ({_size(progress.total)})" if progress.total else ""
            note(progress.status + size)


class _Bars:
    """A bar for each layer, with speed and time left."""

    PAUSE = 0.1
    """Seconds between two looks at the same layer; reports come more often than anybody can read."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Display

        self._display = Display(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._layers: dict[str, Any] = {}
        self._looked: dict[str, float] = {}
        self._said = ""

    def __enter__(self) -> None:
        self._display.start()

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    def report(self, progress: Progress) -> None:
        layer = progress.digest
        if layer is None or not progress.total:
            if progress.status != self._said:
                self._said = progress.status
                self._finish_layers(progress.status)
                self._display.console.print(harmless(progress.status, sys.stderr), markup=False)
            return
        if layer not in self._layers:
            self._layers[layer] = self._display.add_task(harmless(progress.status, sys.stderr), total=progress.total)
        now = time.monotonic()
        complete = progress.completed == progress.total
        if complete or now - self._looked.get(layer, 0.0) >= self.PAUSE:
            self._looked[layer] = now
            self._display.update(self._layers[layer], completed=progress.completed or 0)

    def _finish_layers(self, status: str) -> None:
        # The last report of a layer may come before its end.
        if status.startswith(("verifying", "writing", "success")):
            for task in self._layers.values():
                self._display.update(task, completed=self._display.tasks[task].total)


def _row(model: RunningModel) -> tuple[str, ...]:
    until = "?" if model.expires_at is None else _until(model.expires_at)
    return (
        model.name,
        _size(model.size),
        _size(model.size_vram),
        "?" if model.context_length is None else str(model.context_length),
        until,
    )


def _until(moment: datetime.datetime) -> str:
    seconds = (moment - datetime.datetime.now(datetime.UTC)).total_seconds()
    if seconds > 10 * 365 * 86400:
        return "for ever"
    if seconds < 60:
        return "less than a minute"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.0f} hours"


def _described(details: ModelDetails) -> list[tuple[str, Any]]:
    join: Callable[[tuple[str, ...] | None], str] = lambda words: ", ".join(words or ())  # noqa: E731  # used twice below
    return [
        ("model", details.name),
        ("family", details.family),
        ("architecture", details.architecture),
        ("parameters", details.parameters),
        ("quantization", details.quantization),
        ("context", details.context_length),
        ("embedding", details.embedding_length),
        ("can", join(details.capabilities)),
        ("takes", join(details.input_modalities)),
        ("options", "  ".join(f"{name}={value}" for name, value in details.options.items())),
        ("system", details.system),
        ("license", (details.license or "").strip().partition("\n")[0]),
    ]


def _size(count: int | None) -> str:
    if count is None:
        return "?"
    amount, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit in ("B", "KiB", "MiB") else f"{amount:.1f} {unit}"
