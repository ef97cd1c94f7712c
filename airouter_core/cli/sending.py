"""``-f`` and ``-a``: texts and files that go with a question, and what is said of their size before they are sent."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import click

from ..errors import AirouterError, ConfigurationError
from ..plugins.registry import installed
from ..values.media import media_type_of_file
from ..values.messages import FilePart, Message, TextPart
from ..values.texts import named_text, with_texts_in_place
from ..values.tokens import estimate_tokens
from .input import piped, piped_bytes
from .output import note, waiting
from .tables import in_units

if TYPE_CHECKING:
    from ..provider.facade import Provider

Part = FilePart | TextPart
PIPE = "-"
PIPED = "standard input"
SMALL = 8000
"""Tokens that are sent without a word, and without asking how many a model takes."""
DOUBT = 2
"""How far an estimate may be off: what is beyond so many times the context cannot fit."""
MOST = 2_000_000
"""Tokens, where nobody says how many a model takes: the largest context that is offered (November 2026)."""

fragment_option = click.option(
    "-f",
    "--fragment",
    "fragments",
    multiple=True,
    metavar="SOURCE",
    help="Text to put before the question: a path, a public web address, a name of `airouter fragments`, - for a pipe.",
)
attach_option = click.option(
    "-a",
    "--attach",
    "attachments",
    multiple=True,
    metavar="SOURCE",
    help="File to send along, such as an image or a PDF: a path, a public web address, - for a pipe.",
)
large_option = click.option("--large", is_flag=True, help="Send also what is larger than the model seems to take.")


@attrs.frozen
class Along:
    """What goes with a question: as it is sent, and as it is told."""

    parts: tuple[Part, ...] = ()
    told: tuple[str, ...] = ()

    def __add__(self, other: Along) -> Along:
        return Along(self.parts + other.parts, self.told + other.told)


def along(fragments: Sequence[str], attachments: Sequence[str]) -> Along:
    """What goes with a question, read now; what is given twice goes once.

    Raises:
        AirouterError: something cannot be read.
        click.UsageError: the pipe is wanted twice.
    """
    if (*fragments, *attachments).count(PIPE) > 1:
        raise click.UsageError("There is one pipe: give - once.")
    named: list[tuple[Part, str]] = [(_fragment(source), PIPED if source == PIPE else source) for source in fragments]
    for source in attachments:
        part = attached(source)
        named.append((part, f"{part.name or source} ({part.media_type})"))
    parts = [part for part, _ in named]
    once = [(part, name) for place, (part, name) in enumerate(named) if part not in parts[:place]]
    return Along(tuple(part for part, _ in once), tuple(f"{name} {in_units(_size(part))}" for part, name in once))


def takes_pipe(fragments: Sequence[str], attachments: Sequence[str]) -> bool:
    """Whether the pipe is one of these, and so no part of the question."""
    return PIPE in (*fragments, *attachments)


def attached(source: str) -> FilePart:
    """A file to send along.

    Raises:
        AirouterError: it cannot be read.
    """
    if source == PIPE:
        data = piped_bytes()
        return FilePart(media_type_of_file(data, PIPED), data=data, name=PIPED)
    from .questions.sources import attachment

    with waiting(f"{source} …"):
        return attachment(source)


def _fragment(source: str) -> TextPart:
    if source == PIPE:
        return TextPart(named_text(PIPED, piped()))
    from .questions.sources import fragment

    with waiting(f"{source} …"):
        return fragment(source)


def announce(
    provider: Provider[Any],
    model: str,
    question: Message,
    parameters: Mapping[str, Any],
    told: Sequence[str] = (),
    *,
    large: bool = False,
) -> None:
    """Say what is about to be sent, where it is more than a few words, and refuse what cannot fit.

    It is measured by its length: a tokeniser would need minutes for what is far too long.

    Args:
        told: what goes along, in words.

    Raises:
        ConfigurationError: it is far more than the model takes, and nobody is there to be asked.
        click.Abort: somebody was, and said no.
    """
    beside = ", ".join(told)
    text = with_texts_in_place((question,))[0][0].text
    tokens = estimate_tokens(text)
    if tokens <= SMALL:
        if beside:
            note(f"sending {beside}")
        return
    measure = f"{in_units(len(text.encode(errors='replace')))} of text, about {tokens} tokens"
    context = _context(provider, model, parameters)
    takes = f"{model} takes {context}" if context else f"no model takes more than {MOST}"
    if large or tokens <= DOUBT * (context or MOST):
        known = f"; {takes}" if context else ""
        note(f"sending {measure}{known}" + (f" ({beside})" if beside else ""))
        return
    if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm(f"{measure}, but {takes}. Send it all the same?", abort=True, err=True)
        return
    raise ConfigurationError(
        f"{measure}, but {takes}: nothing was sent. Send a part of it, choose a model that takes more, or give --large"
    )


def _size(part: Part) -> int:
    return len(part.data or b"") if isinstance(part, FilePart) else len(part.text.encode(errors="replace"))


def _context(provider: Provider[Any], model: str, parameters: Mapping[str, Any]) -> int | None:
    """How many tokens there is room for: as the user says, else as the provider says of the model."""
    table = installed().parameters(provider.info.name)
    for name, value in parameters.items():
        if table.find(name).name == "context" and isinstance(value, int):
            return value
    try:
        with waiting(f"{provider.info.name} …"):
            listed = provider.list_models()
    except AirouterError:  # it will be said by the call itself
        return None
    return next((found.context_length for found in listed if model in (found.id, found.name)), None)
