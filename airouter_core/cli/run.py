"""``airouter run``: ask once."""

from __future__ import annotations

import time

import click

from ..errors import ExecutionError
from ..plugins.registry import installed
from ..provider.streams import ResponseStream
from ..values.events import RefusalDelta, TextDelta
from ..values.messages import Message
from ..values.response import Response
from .choices import (
    given_provider_options,
    json_option,
    parameters_option,
    provider_option_option,
    system_option,
    target_options,
)
from .continuing import continuing_options, past
from .input import TEXT, piped
from .output import note, waiting, warn, write, write_json
from .sending import along, announce, sending_options, takes_pipe
from .streams import Writer
from .targets import chosen_model, chosen_target
from .templating import chosen_template, template_options


@click.command()
@target_options
@system_option
@template_options
@continuing_options
@parameters_option
@provider_option_option
@sending_options
@click.option("--stream/--no-stream", default=True, help="Show the answer as it is made, or whole.")
@json_option
@click.argument("prompt", required=False, type=TEXT)
def run(
    provider_name: str | None,
    model: str | None,
    system: str | None,
    template: str | None,
    variables: tuple[str, ...],
    go_on: bool,
    conversation: str | None,
    options: tuple[str, ...],
    own_options: tuple[str, ...],
    settings: tuple[str, ...],
    fragments: tuple[str, ...],
    attachments: tuple[str, ...],
    large: bool,
    stream: bool,
    as_json: bool,
    prompt: str | None,
) -> None:
    """Ask a model: PROMPT, or what comes through a pipe, or both (the pipe's text below the prompt)."""
    chosen = chosen_template(template, variables)
    below = "" if takes_pipe(fragments, attachments) else piped()
    beside = along(fragments, attachments)
    question, own_system = chosen.fill("\n\n".join(part for part in (prompt, below) if part and part.strip()))
    if not (question or beside.parts):
        raise click.UsageError("Missing argument 'PROMPT': ask something, or pipe it in.")
    earlier = past(go_on, conversation)
    provider, named = chosen_target(provider_name, earlier.addressed(provider_name, model, chosen), settings)
    with provider, earlier.going_on():
        name = chosen_model(provider, named)
        parameters = chosen.with_parameters(options, installed().parameters(provider.info.name))
        own = {provider.info.name: given_provider_options(own_options)}
        asked = Message.user(*beside.parts, *([question] if question else []))
        announce(provider, name, asked, parameters, beside.told, large=large)
        messages = [*earlier.with_system(system or own_system), asked]
        started = time.monotonic()
        if as_json or not stream:
            with waiting(f"{name} …"):
                response = provider.chat(name, messages, parameters=parameters, provider_options=own)
            if as_json:
                write_json({**_known(response), "seconds": round(time.monotonic() - started, 3)})
                return
            write(response.text or response.refusal or "")
        else:
            with provider.stream_chat(name, messages, parameters=parameters, provider_options=own) as answer:
                response = show_stream(answer, name)
    for call in response.tool_calls:
        note(f"calls {call.name}({call.arguments_json})")
    for warning in response.warnings:
        warn(warning)
    note(summary(response, time.monotonic() - started))


def show_stream(answer: ResponseStream, model: str) -> Response:
    """Write an answer to stdout as it is made."""
    events = iter(answer)
    writer = Writer()
    anything = False
    try:
        with waiting(f"{model} …"):
            event = next(events, None)
            # Thinking shows nothing, so the waiting goes on while a model thinks.
            while event is not None and not isinstance(event, TextDelta | RefusalDelta):
                event = next(events, None)
        while event is not None:
            if isinstance(event, TextDelta | RefusalDelta):
                writer.write(event.text)
                anything = True
            event = next(events, None)
    except (ExecutionError, KeyboardInterrupt):
        if anything:
            writer.end()
        raise
    writer.end()
    return answer.response


def summary(response: Response, seconds: float) -> str:
    """What an answer has taken, in one line."""
    usage = response.usage
    parts = [f"{seconds:.1f} s"]
    if usage.input_tokens is not None:
        parts.append(f"{usage.input_tokens} tokens in")
    if usage.output_tokens is not None:
        parts.append(f"{usage.output_tokens} out")
    if response.cost is not None:
        parts.append(f"{response.cost.amount} {response.cost.currency}")
    parts += ending(response)
    return f"[{response.provider} {response.model or ''}] " + ", ".join(parts)


def ending(response: Response) -> list[str]:
    """What is said of an answer that did not end of itself: half an answer must not look whole."""
    return [] if response.finish_reason in (None, "stop", "tool_calls") else [f"ended by: {response.finish_reason}"]


def _known(response: Response) -> dict[str, object]:
    return {
        "text": response.text,
        "reasoning": response.reasoning,
        "refusal": response.refusal,
        "tool_calls": [
            {"id": call.id, "name": call.name, "arguments_json": call.arguments_json} for call in response.tool_calls
        ],
        "finish_reason": response.finish_reason,
        "raw_finish_reason": response.raw_finish_reason,
        "usage": response.usage,
        "cost": response.cost,
        "model": response.model,
        "provider": response.provider,
        "id": response.id,
        "request_id": response.request_id,
        "parameters": response.parameters,
        "warnings": response.warnings,
        "provider_metadata": response.provider_metadata,
    }
