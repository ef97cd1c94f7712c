"""``airouter compare``: several models side by side."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import click

from ..errors import AirouterError, ExecutionError, UnknownProviderError
from ..plugins.registry import installed
from ..provider.facade import Provider
from ..values.events import TextDelta
from ..values.messages import Message
from ..values.response import Response
from .answering import ending
from .choices import (
    given_parameters,
    given_provider_options,
    json_option,
    parameters_option,
    provider_option_option,
    system_option,
)
from .input import TEXT, text_or_pipe
from .output import INTERRUPTED, complain, told, warn, write, write_json
from .streams import harmless, plainly, styled
from .targets import called, chosen_model, compared_target, named_target

NARROWEST = 30
"""Columns that an answer needs beside others."""
REFRESH = 0.1
"""Seconds between two pictures of the answers."""


@attrs.define(eq=False)
class Candidate:
    """One of the models asked, and how far it is."""

    name: str
    model: str
    options: dict[str, Any] = attrs.field(factory=dict)
    provider: Provider[Any] | None = None
    text: str = ""
    response: Response | None = None
    error: AirouterError | None = None
    stopped: bool = False
    began: float = attrs.field(factory=time.monotonic)
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        return self.response is not None or self.error is not None

    @property
    def summary(self) -> str:
        if self.stopped:
            return f"stopped after {self.seconds:.1f} s"
        if not self.done:
            return f"… {time.monotonic() - self.began:.0f} s"
        if self.provider is None:
            return "not asked"
        if self.error is not None:
            return f"failed after {self.seconds:.1f} s"
        tokens = self.response.usage.output_tokens if self.response is not None else None
        cost = self.response.cost if self.response is not None else None
        parts = [
            f"{self.seconds:.1f} s",
            f"{tokens} tokens" if tokens is not None else "",
            f"{cost.amount} {cost.currency}" if cost else "",
            *(ending(self.response) if self.response else ()),
        ]
        return ", ".join(part for part in parts if part)


@click.command()
@click.option(
    "-t",
    "--target",
    "targets",
    multiple=True,
    metavar="PROVIDER[/MODEL]",
    required=True,
    help="Whom to ask; give several.",
)
@system_option
@parameters_option
@provider_option_option
@json_option
@click.argument("prompt", required=False, type=TEXT)
def compare(
    targets: tuple[str, ...],
    system: str | None,
    options: tuple[str, ...],
    own_options: tuple[str, ...],
    as_json: bool,
    prompt: str | None,
) -> None:
    """Ask several models the same PROMPT at the same time; exit code 1 if any of them fails."""
    question = text_or_pipe(prompt)
    messages = [*([Message.system(system)] if system else []), Message.user(question)]
    with contextlib.ExitStack() as stack:
        candidates = [_candidate(target, options, own_options, stack) for target in targets]
        interrupted = False
        try:
            _show(candidates, _asked(candidates, messages), as_json=as_json)
        except KeyboardInterrupt:  # what has arrived was paid for
            interrupted = True
            _stop(candidates, show=not (as_json or sys.stdout.isatty()))
        if as_json:
            write_json([_known(candidate) for candidate in candidates])
        else:
            for candidate in candidates:
                for warning in candidate.response.warnings if candidate.response else ():
                    warn(f"{candidate.name}: {warning}")
    if interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    click.get_current_context().exit(0 if all(candidate.response for candidate in candidates) else 1)


def _show(candidates: Sequence[Candidate], finished: Iterator[Candidate], *, as_json: bool) -> None:
    """Show the answers: side by side while they are made, or each when it is whole; for programs all at the end."""
    if as_json:
        for _ in finished:
            pass
    elif sys.stdout.isatty():
        _show_live(candidates, finished)
    else:
        for candidate in finished:
            _print(candidate)


def _stop(candidates: Sequence[Candidate], *, show: bool) -> None:
    complain("interrupted")
    for candidate in candidates:
        if not candidate.done:
            candidate.stopped, candidate.seconds = True, time.monotonic() - candidate.began
            if show:
                _print(candidate)


def _candidate(
    target: str, options: Sequence[str], own_options: Sequence[str], stack: contextlib.ExitStack
) -> Candidate:
    name, model = named_target(*compared_target(target))
    try:
        provider = stack.enter_context(called(name))
        found = chosen_model(provider, model)
    except UnknownProviderError:
        raise
    except AirouterError as error:  # one that is not ready costs only its own answer
        return Candidate(target, model or "", error=error)
    parameters = given_parameters(options, installed().parameters(provider.info.name))
    own = {provider.info.name: given_provider_options(own_options)}
    given = {"parameters": parameters, "provider_options": own}
    return Candidate(target, found, given, provider)


def _asked(candidates: Sequence[Candidate], messages: Sequence[Message]) -> Iterator[Candidate]:
    """Each candidate when it has finished."""
    finished: queue.Queue[Candidate] = queue.Queue()
    for candidate in candidates:
        if candidate.provider is None:
            finished.put(candidate)
        else:
            given = (candidate, candidate.provider, messages, finished)
            threading.Thread(target=_ask, args=given, daemon=True).start()
    for _ in candidates:
        yield finished.get()


def _ask(
    candidate: Candidate, provider: Provider[Any], messages: Sequence[Message], finished: queue.Queue[Candidate]
) -> None:
    candidate.began = time.monotonic()
    try:
        with provider.stream_chat(candidate.model, messages, **candidate.options) as stream:
            for event in stream:
                if isinstance(event, TextDelta):
                    candidate.text += event.text
            response = stream.response
        candidate.seconds = time.monotonic() - candidate.began
        candidate.response = response
    except AirouterError as error:
        candidate.seconds = time.monotonic() - candidate.began
        candidate.error = error
    finally:  # whatever happens: somebody waits
        finished.put(candidate)


def _show_live(candidates: Sequence[Candidate], finished: Iterator[Candidate]) -> None:
    from rich.live import Live

    waiter = threading.Thread(target=lambda: [None for _ in finished], daemon=True)
    waiter.start()
    with Live(_picture(candidates), refresh_per_second=1 / REFRESH) as live:
        while waiter.is_alive():
            waiter.join(REFRESH)
            live.update(_picture(candidates))
        live.update(_picture(candidates))  # all may have ended since the picture before


def _picture(candidates: Sequence[Candidate]) -> Any:
    """All answers: side by side where each has room for words, else below each other."""
    from rich.console import Console, Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    panels = [
        Panel(
            Text(harmless(_said(candidate), sys.stdout)),
            title=harmless(candidate.name, sys.stdout),
            subtitle=plainly(candidate.summary, sys.stdout),
            border_style="red" if candidate.error else "green" if candidate.done else "dim",
        )
        for candidate in candidates
    ]
    if Console().width < NARROWEST * len(panels):
        return Group(*panels)
    table = Table.grid(expand=True)
    for _ in panels:
        table.add_column(ratio=1)
    table.add_row(*panels)
    return table


def _said(candidate: Candidate) -> str:
    """The answer, and what went wrong below what had arrived by then."""
    return "\n\n".join(part for part in (candidate.text, candidate.error and told(candidate.error)) if part)


def _print(candidate: Candidate) -> None:
    click.echo(styled(plainly(f"── {candidate.name} ({candidate.summary})", sys.stdout), sys.stdout, bold=True))
    write(_said(candidate) + "\n")


def _known(candidate: Candidate) -> dict[str, object]:
    response = candidate.response
    if response is None and isinstance(candidate.error, ExecutionError):
        response = candidate.error.partial
    return {
        "target": candidate.name,
        "model": candidate.model,
        "text": response.text if response else "",
        "finish_reason": response.finish_reason if response else None,
        "usage": response.usage if response else None,
        "cost": response.cost if response else None,
        "warnings": response.warnings if response else (),
        "error": told(candidate.error) if candidate.error else "interrupted" if candidate.stopped else None,
        "seconds": round(candidate.seconds, 3),
    }
