"""``airouter record-provider PROVIDER``: a set of recordings of a live backend, for a plugin's tests.

Each question is asked once, whole and as a stream; what came over the wire is written as a recording, without secrets.
What the plugin itself read stands in ``expected``: check it by hand, for from then on it is what the tests hold the
plugin to.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import click

from ..config.http import HttpConfig
from ..errors import AirouterError, ProviderError
from ..plugins.factory import create_provider
from ..provider.facade import Provider
from ..values.response import Response
from .cassettes import cassette, recordings_in
from .recordings import Recording, body_fields

WEATHER = {
    "name": "weather",
    "description": "Tell the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
QUESTIONS: Mapping[str, tuple[str | None, Mapping[str, Any]]] = {
    "hello": (None, {"messages": "Say hello, in five words, with an emoji and the letter ü."}),
    "length": (None, {"messages": "Count from 1 to 100.", "parameters": {"max_tokens": 16}}),
    "tools": ("tools", {"messages": "What is the weather in Zürich? Use the tool.", "tools": [WEATHER]}),
    "schema": ("json_schema", {"messages": "Ada Lovelace, aged 36, as JSON.", "response_format": PERSON}),
    "no-model": (None, {"model": "no-such-model-here", "messages": "Hello"}),
}
"""What is asked, by name, and the capability that it needs."""


def record_set(provider: Provider[Any], model: str, folder: str) -> Iterator[str]:
    """Ask everything that the provider can do, and write recordings; their paths, as they are written."""
    os.makedirs(folder, exist_ok=True)
    secrets = provider.config.secrets if isinstance(provider.config, HttpConfig) else ()
    ways = (False, True) if "stream" in provider.info.capabilities else (False,)
    for name, (capability, question) in QUESTIONS.items():
        if capability is not None and capability not in provider.info.capabilities:
            continue
        for stream in ways:
            title = f"{name}-stream" if stream else name
            with tempfile.TemporaryDirectory() as temporary:
                path = os.path.join(temporary, f"{title}.yaml")
                with cassette(path, record=True, secrets=secrets):
                    outcome = _asked(provider, model, question, stream=stream)
                found = recordings_in(path)
            if found:
                yield _written(found[-1], outcome, stream, os.path.join(folder, f"{title}.json"))


def described(outcome: Response | AirouterError) -> dict[str, Any]:
    """What was read, in the terms of ``expected``."""
    if not isinstance(outcome, Response):
        status = outcome.status if isinstance(outcome, ProviderError) else None
        return {"error": {"status": status, "type": getattr(outcome, "error_type", None)}}
    calls = [
        {"name": call.name, "arguments_raw": call.arguments_json, "id": call.id} for call in outcome.message.tool_calls
    ]
    return {
        "text": outcome.text,
        "tool_calls": calls,
        "finish_reason": outcome.raw_finish_reason,
        "usage": {"input_tokens": outcome.usage.input_tokens, "output_tokens": outcome.usage.output_tokens},
        "model": outcome.model,
        "reasoning": outcome.reasoning,
    }


def _asked(
    provider: Provider[Any], model: str, question: Mapping[str, Any], *, stream: bool
) -> Response | AirouterError:
    asked = {"model": model, **question}
    try:
        return provider.stream_chat(**asked).read() if stream else provider.chat(**asked)
    except AirouterError as error:
        return error


def _written(recording: Recording, outcome: Response | AirouterError, stream: bool, path: str) -> str:
    named = attrs.evolve(recording, id=os.path.splitext(os.path.basename(path))[0])
    content = {
        "id": named.id,
        "stream": stream and named.status < 400,
        "features": [],
        "request": named.request,
        "response": {"status": named.status, "headers": dict(named.headers), **body_fields(named.body)},
        "expected": described(outcome),
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=1)
        file.write("\n")
    return path


@click.command("record-provider")
@click.argument("provider")
@click.option("--model", required=True, help="the model to ask")
@click.option("--folder", default="tests/recordings", help="where to write the recordings")
@click.option("--base-url", help="another address than the provider's own")
def command(provider: str, model: str, folder: str, base_url: str | None) -> None:
    """Record a provider's live backend: a set of answers for a plugin's tests, without secrets."""
    try:
        with create_provider(provider, {"base_url": base_url} if base_url else None) as made:
            for path in record_set(made, model, folder):
                click.echo(path)
    except AirouterError as error:
        raise click.ClickException(str(error)) from error
    click.echo("\nLook through them: no secret must be in them, and `expected` is what the plugin itself read.")


if __name__ == "__main__":
    command()
