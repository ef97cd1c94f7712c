"""``--dry-run``: what would be sent, as a command of curl; nothing is sent."""

from __future__ import annotations

import json
import shlex
from typing import Any

from ..errors import ConfigurationError
from ..provider.facade import Provider
from ..provider.http import HttpProvider
from ..values.ask import Ask
from .output import note, warn, write, write_json

HIDDEN = "***"


def show_request(provider: Provider[Any], ask: Ask, *, as_json: bool) -> None:
    """Write the HTTP request that an ask would be sent as, without its secrets.

    Raises:
        ConfigurationError: the provider cannot be asked so, or does not ask over HTTP itself.
    """
    if not isinstance(provider, HttpProvider):
        raise ConfigurationError(f"{provider.info.name} sends no HTTP request of its own, so there is none to show")
    for caution in provider.prepare(ask).cautions:
        warn(caution.message)
    sent = provider.http_request(ask)
    place = f"${provider.info.api_key_env}" if provider.info.api_key_env else HIDDEN
    key = getattr(provider.config, "api_key", None)

    def shown(text: str) -> str:
        for secret in provider.config.secrets:
            text = text.replace(secret, place if secret == key else HIDDEN)
        return text

    headers = {name: shown(value) for name, value in sent.headers.items()}
    body = shown(sent.body.decode()) if isinstance(sent.body, bytes) else ""
    if as_json:
        write_json({"method": sent.method, "url": shown(sent.url), "headers": headers, "body": _parsed(body)})
        return
    lines = [f"curl -X {sent.method} {_quoted(shown(sent.url), place)}"]
    lines += [f"  -H {_quoted(f'{name}: {value}', place)}" for name, value in headers.items()]
    lines += [f"  --data {shlex.quote(_readable(body))}"] if body else []
    write(" \\\n".join(lines))
    if "://" not in sent.url:
        note(f"{provider.info.name} knows its address once its engine runs")


def _quoted(text: str, place: str) -> str:
    """A word for a shell, in which the variable of the key stands for its value."""
    before, found, after = text.partition(place)
    if not found:
        return shlex.quote(text)
    return f'{shlex.quote(before)}"{found}"{shlex.quote(after) if after else ""}'


def _readable(body: str) -> str:
    parsed = _parsed(body)
    return body if parsed is body else json.dumps(parsed, indent=2, ensure_ascii=False)


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
