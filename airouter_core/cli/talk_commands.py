"""What a line that begins with a slash does in ``airouter chat``."""

from __future__ import annotations

import datetime
import difflib
import json
import os
from collections.abc import Callable
from typing import Any

import click

from ..errors import AirouterError, ConfigurationError
from ..plugins.registry import installed
from ..values.messages import FilePart, Message, RefusalPart, TextPart
from .choices import given_parameters
from .output import complain, note, told, waiting
from .sending import Along, along
from .talk import Talk
from .targets import called, chosen_model, named_target
from .tooling import can_ask

HELP = """/model NAME     ask another model, also PROVIDER/MODEL or an alias; /model NAME --force one that is not listed
/provider NAME  ask another provider, with a model of its own: /provider NAME MODEL names one
/system TEXT    set the system prompt; without TEXT, take it away
/set NAME=VALUE set a parameter; /set NAME= takes it away, /set shows them
/attach SOURCE  send a file with the next message, by path or public web address; without SOURCE, send none
/retry          ask the last question again
/edit TEXT      ask TEXT in place of the last question; without TEXT, change it in your editor
/save PATH      write the conversation: .json for /load and programs, anything else for people
/load PATH      go on with a conversation that /save has written as .json
/clear          begin again
/usage          what this conversation has used
/help           this
/exit           end; so does Ctrl-D
A message of several lines, or one that begins with a slash, stands between two lines of three quotation marks.
Ctrl-C stops an answer and keeps what there is of it."""

FORCE = "--force"
SAVED = ("user", "assistant")
"""Roles of what /save writes: calls of tools and what they gave are no part of what was said."""


def obey(talk: Talk, text: str) -> bool:
    """Do what a line beginning with a slash says; whether to go on."""
    name, _, argument = text.partition(" ")
    if name in ("/exit", "/quit"):
        return False
    try:
        if name not in COMMANDS:
            complain(f"there is no command {name}; /help lists them")
        else:
            COMMANDS[name](talk, argument.strip())
    except (AirouterError, OSError) as error:
        complain(told(error))
    return True


def _set_model(talk: Talk, argument: str) -> None:
    wanted, _, force = argument.partition(" ")
    if wanted:
        provider, model = _meant(talk, wanted)
        if force.strip() != FORCE:
            _check(provider, model)
        if provider is not talk.provider:
            talk.provider.close()
            talk.provider = provider
        talk.model = model
    note(f"model: {talk.provider.info.name}, {talk.model}")


def _set_provider(talk: Talk, argument: str) -> None:
    name, _, wanted = argument.partition(" ")
    if name:
        provider = called(name)
        try:
            model = chosen_model(provider, wanted.strip() or named_target(name, None)[1])
            if wanted.strip():
                _check(provider, model)
        except AirouterError:
            provider.close()
            raise
        talk.provider.close()
        talk.provider, talk.model = provider, model
    note(f"model: {talk.provider.info.name}, {talk.model}")


def _edit(talk: Talk, argument: str) -> None:
    text: str | None = argument
    if not argument and talk.question is not None:
        if not can_ask():
            raise ConfigurationError("/edit opens an editor at a terminal only; /edit TEXT asks TEXT instead")
        before = talk.question.parts[-1:]
        text = click.edit("".join(part.text for part in before if isinstance(part, TextPart)), extension=".md")
        if text is None or not text.strip():
            note("nothing was changed")
            return
    talk.ask_instead((text or "").strip())


def _meant(talk: Talk, wanted: str) -> tuple[Any, str]:
    """Whom an address or an alias means; a bare name is a model of the provider that is talked with."""
    name, model = named_target(None, wanted) if "/" in wanted or _is_alias(wanted) else (None, wanted)
    here = talk.provider
    if name is None or installed().find(name) == here.info:
        return here, model or wanted
    provider = called(name)
    return provider, chosen_model(provider, model)


def _is_alias(name: str) -> bool:
    from .own_files.aliases import read_aliases

    return name in read_aliases()


def _check(provider: Any, model: str) -> None:
    """Refuse a model that the provider does not list; one that cannot list any is believed."""
    try:
        with waiting(f"{provider.info.name} …"):
            listed = [found.id for found in provider.list_models()]
    except AirouterError as error:
        note(f"not checked: {told(error)}")
        return
    # Providers take parts of these names too: a folder without its file, a name without its tag.
    parts = {part for name in listed for part in (name.partition("/")[0], name.rpartition("/")[2])}
    if not listed or model in {*listed, *parts, *(name.partition(":")[0] for name in (*listed, *parts))}:
        return
    near = difflib.get_close_matches(model, listed, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"`airouter models {provider.info.name}` lists them"
    raise ConfigurationError(f"{provider.info.name} lists no model {model!r}; {hint} (/model {model} {FORCE} takes it)")


def _set_system(talk: Talk, argument: str) -> None:
    talk.system = argument or None
    note(f"system prompt: {talk.system or 'none'}")


def _set_parameter(talk: Talk, argument: str) -> None:
    if argument:
        table = installed().parameters(talk.provider.info.name)
        name, equals, value = argument.partition("=")
        given = {} if equals and not value else given_parameters([argument], table)
        canonical = table.find(name.strip()).name
        kept = {other: value for other, value in talk.parameters.items() if table.find(other).name != canonical}
        talk.parameters = {**kept, **given}  # once, under whatever spelling it was given before
    note(", ".join(f"{name}={value}" for name, value in talk.parameters.items()) or "no parameters")


def _attach(talk: Talk, argument: str) -> None:
    if not argument:
        talk.beside = Along()
        note("no file with the next message")
        return
    added = along((), (argument,))
    talk.beside += added
    note(f"with the next message: {', '.join(added.told)}")


def _save(talk: Talk, argument: str) -> None:
    if not argument:
        complain("/save needs a path")
        return
    path = os.path.expanduser(argument)
    turns = [_turn(Message.system(talk.system))] if talk.system else []
    turns += [
        turn for turn in map(_turn, talk.messages) if turn["role"] in SAVED and (turn["content"] or "files" in turn)
    ]
    head = {
        "provider": talk.provider.info.name,
        "model": talk.model,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    with open(path, "x", encoding="utf-8") as file:
        if path.endswith(".json"):
            json.dump({**head, "messages": turns}, file, indent=1, ensure_ascii=False)
        else:
            file.write(f"# {head['provider']}/{head['model']}, {head['date']}\n\n")
            for turn in turns:
                named = f"({', '.join(turn['files'])})\n\n" if "files" in turn else ""
                file.write(f"## {turn['role']}\n\n{named}{turn['content']}\n\n")
    note(f"saved: {path}")


def _load(talk: Talk, argument: str) -> None:
    if not argument:
        complain("/load needs a path")
        return
    path = os.path.expanduser(argument)
    with open(path, encoding="utf-8") as file:
        try:
            turns = json.load(file)["messages"]
            said = [(turn["role"], turn["content"], turn.get("files", ())) for turn in turns]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigurationError(f"{path} is no conversation that /save has written as .json") from error
    makers = {"user": Message.user, "assistant": Message.assistant}
    if any(not isinstance(text, str) or role not in (*makers, "system") for role, text, _ in said):
        raise ConfigurationError(f"{path} is no conversation that /save has written as .json")
    talk.system = "\n\n".join(text for role, text, _ in said if role == "system") or None
    talk.messages = [makers[role](text) for role, text, _ in said if role in makers]
    talk.question = None
    if lost := [name for _, _, files in said for name in files]:
        note(f"without the files: {', '.join(lost)}")
    note(f"loaded: {path}, {len(talk.messages)} messages; they are sent with the next one")


def _turn(message: Message) -> dict[str, Any]:
    """A message as it is saved; of files the names."""
    said = message.text or "".join(part.text for part in message.parts if isinstance(part, RefusalPart))
    files = [part.name or part.media_type for part in message.parts if isinstance(part, FilePart)]
    return {"role": message.role, "content": said, **({"files": files} if files else {})}


def _clear(talk: Talk, _: str) -> None:
    talk.messages.clear()
    talk.beside = Along()
    talk.question = None
    note("begun again")


COMMANDS: dict[str, Callable[[Talk, str], None]] = {
    "/model": _set_model,
    "/provider": _set_provider,
    "/system": _set_system,
    "/set": _set_parameter,
    "/attach": _attach,
    "/edit": _edit,
    "/retry": lambda talk, _: talk.retry(),
    "/save": _save,
    "/load": _load,
    "/clear": _clear,
    "/usage": lambda talk, _: note(talk.usage()),
    "/help": lambda *_: note(HELP),
}
