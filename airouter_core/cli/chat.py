"""``airouter chat``: a conversation in the terminal."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import attrs
import click

from ..config.folders import config_folder
from ..errors import AirouterError
from ..plugins.registry import installed
from ..provider.facade import Provider
from ..values.messages import FilePart, Message, RefusalPart
from ..values.response import Response
from .choices import (
    given_parameters,
    given_provider_options,
    parameters_option,
    provider_option_option,
    system_option,
    target_options,
)
from .input import piped_line
from .output import complain, note, told, warn
from .run import ending, show_stream
from .targets import chosen_model, chosen_target

HELP = """/model NAME     ask another model of this provider
/system TEXT    set the system prompt; without TEXT, take it away
/attach PATH    send a file with the next message; without PATH, send none
/save PATH      write the conversation: .json for programs, anything else for people
/clear          begin again
/usage          what this conversation has used
/help           this
/exit           end; so does Ctrl-D
A message of several lines, or one that begins with a slash, stands between two lines of three quotation marks.
Ctrl-C stops an answer and keeps what there is of it."""

QUOTES = '"""'


@attrs.define(eq=False)
class Conversation:
    """What has been said, and what it has used."""

    provider: Provider[Any]
    model: str
    parameters: dict[str, Any]
    provider_options: dict[str, Any]
    system: str | None = None
    messages: list[Message] = attrs.field(factory=list)
    attachments: list[FilePart] = attrs.field(factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None
    warned: set[str] = attrs.field(factory=set)
    uncounted: int = 0

    def ask(self, text: str) -> None:
        """Send a message and show the answer. What fails, and what was stopped before it began, is not kept."""
        question = Message.user(*self.attachments, text)
        system = [Message.system(self.system)] if self.system else []
        began = time.monotonic()
        with self.provider.stream_chat(
            self.model,
            [*system, *self.messages, question],
            parameters=self.parameters,
            provider_options=self.provider_options,
        ) as stream:
            try:
                response = show_stream(stream, self.model)
            except KeyboardInterrupt:
                response = stream.partial
                note("stopped")
                if not response.text:
                    return
        self.messages += [question, response.message]
        self.attachments.clear()
        self._count(response)
        for warning in response.warnings:
            if warning not in self.warned:  # what a history loses, it loses with each message again
                self.warned.add(warning)
                warn(warning)
        note(self._figures(response, time.monotonic() - began))

    def usage(self) -> str:
        """What the conversation has used."""
        cost = f", {self.cost} USD" if self.cost is not None else ""
        unknown = f" (answers without figures: {self.uncounted})" if self.uncounted else ""
        return f"{self.input_tokens} tokens in, {self.output_tokens} out{unknown}{cost}, {len(self.messages)} messages"

    def _count(self, response: Response) -> None:
        self.uncounted += response.usage.output_tokens is None
        self.input_tokens += response.usage.input_tokens or 0
        self.output_tokens += response.usage.output_tokens or 0
        if response.cost is not None:
            self.cost = (self.cost or Decimal(0)) + response.cost.amount

    def _figures(self, response: Response, seconds: float) -> str:
        parts = [f"{seconds:.1f} s"]
        if response.usage.output_tokens is not None:
            parts.append(f"{response.usage.input_tokens} in, {response.usage.output_tokens} out")
        if response.cost is not None:
            parts.append(f"{response.cost.amount} {response.cost.currency}, {self.cost} in all")
        parts += ending(response)
        return f"[{self.model}] " + ", ".join(parts)


@click.command()
@target_options
@system_option
@parameters_option
@provider_option_option
def chat(
    provider_name: str | None,
    model: str | None,
    settings: tuple[str, ...],
    system: str | None,
    options: tuple[str, ...],
    own_options: tuple[str, ...],
) -> None:
    """Talk with a model. /help lists what else there is."""
    provider, named = chosen_target(provider_name, model, settings)
    with provider:
        parameters = given_parameters(options, installed().parameters(provider.info.name))
        own = {provider.info.name: given_provider_options(own_options)}
        conversation = Conversation(provider, chosen_model(provider, named), parameters, own, system)
        note(f"{provider.info.name}, {conversation.model}. /help lists commands, Ctrl-D ends.")
        for text, is_command in _messages(_reader()):
            if is_command:
                if not _command(conversation, text):
                    break
                continue
            try:
                conversation.ask(text)
            except AirouterError as error:  # also when it cannot be asked at all: the conversation goes on
                complain(told(error))
        note(conversation.usage())


def _command(conversation: Conversation, text: str) -> bool:
    """Do what a line beginning with a slash says; whether to go on."""
    name, _, argument = text.partition(" ")
    argument = argument.strip()
    commands: dict[str, Callable[[Conversation, str], None]] = {
        "/model": _set_model,
        "/system": _set_system,
        "/attach": _attach,
        "/save": _save,
        "/clear": _clear,
        "/usage": lambda conversation, _: note(conversation.usage()),
        "/help": lambda *_: note(HELP),
    }
    if name in ("/exit", "/quit"):
        return False
    try:
        if name not in commands:
            complain(f"there is no command {name}; /help lists them")
        else:
            commands[name](conversation, argument)
    except (AirouterError, OSError) as error:
        complain(told(error))
    return True


def _set_model(conversation: Conversation, argument: str) -> None:
    if argument:
        conversation.model = argument
    note(f"model: {conversation.model}")


def _set_system(conversation: Conversation, argument: str) -> None:
    conversation.system = argument or None
    note(f"system prompt: {conversation.system or 'none'}")


def _attach(conversation: Conversation, argument: str) -> None:
    if not argument:
        conversation.attachments.clear()
        note("no file with the next message")
        return
    part = FilePart.from_path(os.path.expanduser(argument))
    conversation.attachments.append(part)
    note(f"with the next message: {part.name} ({part.media_type})")


def _save(conversation: Conversation, argument: str) -> None:
    if not argument:
        complain("/save needs a path")
        return
    path = os.path.expanduser(argument)
    turns = [_turn(Message.system(conversation.system))] if conversation.system else []
    turns += map(_turn, conversation.messages)
    with open(path, "x", encoding="utf-8") as file:
        if path.endswith(".json"):
            json.dump(turns, file, indent=1, ensure_ascii=False)
        else:
            for turn in turns:
                named = f"({', '.join(turn['files'])})\n\n" if "files" in turn else ""
                file.write(f"## {turn['role']}\n\n{named}{turn['content']}\n\n")
    note(f"saved: {path}")


def _turn(message: Message) -> dict[str, Any]:
    """A message as it is saved; of files the names."""
    said = message.text or "".join(part.text for part in message.parts if isinstance(part, RefusalPart))
    files = [part.name or part.media_type for part in message.parts if isinstance(part, FilePart)]
    return {"role": message.role, "content": said, **({"files": files} if files else {})}


def _clear(conversation: Conversation, argument: str) -> None:
    conversation.messages.clear()
    conversation.attachments.clear()
    note("begun again")


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
