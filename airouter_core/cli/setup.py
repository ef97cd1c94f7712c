"""``airouter setup``: from nothing to an answer in three questions."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import click

from ..errors import ConfigurationError, MissingApiKeyError
from ..keys import KeyStore
from ..plugins.factory import config_class, create_provider, validate_provider_config
from ..plugins.registry import installed
from ..profile.declarations import ProviderInfo
from ..provider.facade import Provider
from ..values.messages import Message
from .answering import show_stream, summary
from .choices import given_settings, settings_option
from .input import piped_line
from .output import note, waiting
from .own_files.defaults import set_default_model
from .own_files.editing import Simple
from .targets import NO_MODELS, NO_PROVIDER, SHOWN, current_settings, listed_providers, provider_table

HELLO = "Say hello in one short sentence."
ROOM = 512
"""Tokens that the answer may take: models that think spend some before they say anything."""


@click.command()
@click.option("-p", "--provider", "provider_name", metavar="NAME", help="Provider, in place of the first question.")
@click.option("-m", "--model", metavar="MODEL", help="Model, in place of the third question.")
@settings_option
@click.option("--no-ask", is_flag=True, help="Set up, and do not ask the model anything at the end.")
def setup(provider_name: str | None, model: str | None, settings: tuple[str, ...], no_ask: bool) -> None:
    """Set up a provider, its key and a default model, and ask the model to say hello.

    Answers may also be piped in, one a line. A key is kept where `airouter keys` keeps it, the default and what --set
    says in your settings file; nothing is stored before it has been tried.
    """
    info = installed().provider(provider_name) if provider_name else _chosen_provider()
    own = _lasting(info, given_settings(info, settings))
    key = _asked_key(info, own)
    with contextlib.ExitStack() as stack:
        try:
            provider, models = _tried(info, own, key, stack)
        except ConfigurationError as error:
            own |= _asked_settings(info, own, error)
            provider, models = _tried(info, own, key, stack)
        if key is not None:
            store = KeyStore.default()
            store.set(info.name, key)
            note(f"the key works; stored in {store.place}")
        name = model or _chosen_model(info, models)
        if not no_ask:
            note(f"asking {name}: {HELLO}")
            began = time.monotonic()
            with provider.stream_chat(name, [Message.user(HELLO)], parameters={"max_tokens": ROOM}) as answer:
                response = show_stream(answer, name)
            note(summary(response, time.monotonic() - began))
    path = set_default_model(info.name, name, settings=own)
    current_settings.cache_clear()
    note(f"default model: {info.name}/{name} ({path})")
    note('ready: airouter run "your question", or airouter chat')


def _chosen_provider() -> ProviderInfo:
    infos = [info for info in installed().providers() if info.listed == "always" or info in listed_providers()]
    if not infos:
        raise ConfigurationError(NO_PROVIDER)
    if len(infos) == 1:
        note(f"provider: {infos[0].name} (the only one that is installed)")
        return infos[0]
    note("1. Which provider?")
    more = len(installed().providers()) - len(infos)
    name = _chosen([info.name for info in infos], [f"{info.name}: {info.description}" for info in infos], more=more)
    return installed().provider(name)


def _tried(
    info: ProviderInfo, own: Mapping[str, Simple], key: str | None, stack: contextlib.ExitStack
) -> tuple[Provider[Any], list[str]]:
    """The provider, and the models that it can be asked for now."""
    given = {**own, **({} if key is None else {"api_key": key})}
    provider = stack.enter_context(create_provider(info.name, given, fallback=provider_table(info.name)[1]))
    with waiting(f"{info.name} …"):
        provider.check()
        return provider, [found.id for found in provider.list_models() if found.problem is None]


def _asked_settings(info: ProviderInfo, own: Mapping[str, Simple], error: ConfigurationError) -> dict[str, Simple]:
    """What is asked for where nothing works without it.

    Raises:
        ConfigurationError: the one that was given, where there is nothing to ask for.
    """
    fields = [field for field in attrs.fields(config_class(info)) if field.metadata.get("question")]
    known = {**provider_table(info.name)[1], **own}
    open_ = [field for field in fields if known.get(field.name) is None]
    if not open_:
        raise error
    asked = {}
    for field in open_:
        note(f"2. {field.metadata['question']}")
        asked[field.name] = _line(field.name)
        if not asked[field.name]:
            raise error
    return _lasting(info, asked)


def _lasting(info: ProviderInfo, given: Mapping[str, Any]) -> dict[str, Simple]:
    """Settings as they can stand in a file: a path does not depend on the working folder.

    Raises:
        ConfigurationError: one has no place in a line.
    """
    made: dict[str, Simple] = {}
    kinds = {field.name: field.metadata.get("kind") for field in attrs.fields(config_class(info))}
    for name, value in given.items():
        if not isinstance(value, Simple):
            raise ConfigurationError(f"setup does not store {name}; write it into the settings file yourself")
        made[name] = value
        if kinds.get(name) == "path" and isinstance(value, str):
            made[name] = os.path.abspath(os.path.expanduser(value))
    return made


def _asked_key(info: ProviderInfo, own: Mapping[str, Simple]) -> str | None:
    """A key, where the provider needs one that it has not."""
    _, table = provider_table(info.name)
    if "api_key" not in attrs.fields_dict(config_class(info)) or "api_key" in table:
        return None
    usable, reason = validate_provider_config(info.name, own, fallback=table)
    if usable:  # it has a key of the environment, or can be asked without one
        return None
    if not _wants_key(info, own):
        raise ConfigurationError(f"{info.name}: {reason}")
    note(f"2. Which key? {_where(info)}It is not shown.")
    key = _line("key", hidden=True)
    if not key:
        raise MissingApiKeyError("no key was given; nothing was stored", provider=info.name)
    return key


def _wants_key(info: ProviderInfo, own: Mapping[str, Simple]) -> bool:
    """Whether a key is all that is missing."""
    return validate_provider_config(info.name, {**own, "api_key": "any"}, fallback=provider_table(info.name)[1])[0]


def _where(info: ProviderInfo) -> str:
    return f"(Or end this, and set {info.api_key_env}.) " if info.api_key_env else ""


def _chosen_model(info: ProviderInfo, models: Sequence[str]) -> str:
    if not models:
        raise ConfigurationError(f"{info.name} {NO_MODELS}; or name one with -m")
    if len(models) == 1:
        note(f"model: {models[0]} (the only one)")
        return models[0]
    note("3. Which model shall be the default?")
    return _chosen(models, models[:SHOWN], more=len(models) - SHOWN)


def _chosen(names: Sequence[str], lines: Sequence[str], *, more: int) -> str:
    """One of several: by its number, its name, or a beginning that only one has."""
    for number, line in enumerate(lines, 1):
        note(f"  {number}  {line}")
    if more > 0:
        note(f"  and {more} more, by name")
    said = _line("number or name")
    if said.isdigit() and 0 < int(said) <= len(lines):
        return names[int(said) - 1]
    if said in names:
        return said
    near = [name for name in names if said and name.startswith(said)]
    if len(near) > 1:
        raise ConfigurationError(f"{said!r} could be any of {', '.join(near[:SHOWN])}")
    if not said:
        raise ConfigurationError("nothing was chosen; nothing was changed")
    return near[0] if near else said  # a name that is not listed may be right all the same: who it is asked of says so


def _line(question: str, *, hidden: bool = False) -> str:
    if sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt(question, default="", show_default=False, hide_input=hidden, err=True)).strip()
    line = piped_line()
    if not line:
        raise ConfigurationError("setup asks questions: run it in a terminal, or pipe the answers in, one a line")
    return line.strip()
