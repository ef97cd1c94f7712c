"""``airouter chat``: a conversation in the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

from ..config.folders import config_folder
from ..errors import AirouterError
from .beginning import Beginning, beginning_options
from .input import piped_line
from .markdown import markdown_option
from .output import complain, note, told, warn
from .talk import Talk
from .talk_commands import obey
from .tooling import Consent

QUOTES = '"""'


@click.command()
@beginning_options
@markdown_option
def chat(beginning: Beginning, markdown: bool) -> None:
    """Talk with a model. /help lists what else there is.

    The prompt of a template is filled with your first message, and what -f and -a name goes with it.
    """
    chosen, earlier = beginning.chosen, beginning.earlier
    provider, model = beginning.target()
    said = earlier.with_system(beginning.given.system or chosen.fill("this conversation")[1])
    talk = Talk(
        provider,
        model,
        beginning.parameters(provider),
        beginning.provider_options(provider),
        "\n\n".join(message.text for message in said if message.role == "system") or None,
        (lambda text: chosen.fill(text)[0]) if chosen.template.prompt else None,
        [message for message in said if message.role != "system"],
        beginning.beside,
        markdown=markdown,
        tools=beginning.functions,
        consent=Consent(beginning.yes),
    )
    if chosen.template.schema:
        warn("the schema of the template is for `run`; in a conversation answers are free")
    try:
        before = f", {len(talk.messages)} messages" if talk.messages else ""
        note(f"{provider.info.name}, {talk.model}{before}. /help lists commands, Ctrl-D ends.")
        with earlier.going_on():
            _converse(talk)
        note(talk.usage())
    finally:
        talk.provider.close()  # which /model may have exchanged


def _converse(talk: Talk) -> None:
    for text, is_command in _messages(_reader()):
        if is_command:
            if not obey(talk, text):
                return
            continue
        try:
            talk.ask(text)
        except AirouterError as error:  # also when it cannot be asked at all: the conversation goes on
            complain(told(error))


def _messages(read: Callable[[str], str]) -> Iterator[tuple[str, bool]]:
    """What the user writes until the end of input, and whether it is a command."""
    while True:
        try:
            text = read("> ")
            is_command = text.startswith("/") and "\n" not in text
            if text.strip() == QUOTES:
                lines = []
                while (line := read(". ")).strip() != QUOTES:
                    lines.append(line)
                text = "\n".join(lines)
        except EOFError:
            return
        except KeyboardInterrupt:
            continue
        if text.strip():
            yield text.strip(), is_command


def _reader() -> Callable[[str], str]:
    """Reads a line: with history and editing at a terminal, plainly from a pipe."""
    if not (sys.stdin is not None and sys.stdin.isatty()):
        return _read_plainly
    try:
        from prompt_toolkit import PromptSession
    except ImportError:
        return input
    session: PromptSession[str] = PromptSession(history=_history())
    return lambda prompt: session.prompt(prompt)


def _history() -> Any:
    """What was written in earlier conversations; of this one alone where nothing can be kept."""
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    folder = config_folder()
    path = os.path.join(folder, "history")
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    except OSError as error:
        warn(f"what you write is not kept for the next time: {told(error)}")
        return InMemoryHistory()
    return FileHistory(path)


def _read_plainly(prompt: str) -> str:
    line = piped_line()
    if not line:
        raise EOFError
    return line.rstrip("\n")
