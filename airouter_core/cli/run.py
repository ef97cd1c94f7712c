"""``airouter run``: ask once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from ..provider.asking import ask_of
from ..values.messages import Message
from .answering import known, show_stream, summary, write_answer
from .beginning import Beginning, beginning_options
from .choices import json_option
from .input import TEXT, piped
from .markdown import markdown_option, writer_for
from .output import note, waiting, warn, write_json
from .preview import show_request
from .sending import announce, large_option
from .shaping import chosen_schema, extracted, shaping_options
from .tooling import Consent, Rounds, rounds_option

if TYPE_CHECKING:
    from ..plugins.layering import GivenLayer


@click.command()
@beginning_options
@large_option
@rounds_option
@shaping_options
@click.option("--stream/--no-stream", default=True, help="Show the answer as it is made, or whole.")
@click.option("--dry-run", is_flag=True, help="Print the request that would be sent, as a command of curl.")
@markdown_option
@json_option
@click.argument("prompt", required=False, type=TEXT)
def run(
    beginning: Beginning,
    large: bool,
    max_rounds: int,
    schema: str | None,
    first: bool,
    last: bool,
    stream: bool,
    dry_run: bool,
    markdown: bool,
    as_json: bool,
    prompt: str | None,
) -> None:
    """Ask a model: PROMPT, or what comes through a pipe, or both (the pipe's text below the prompt)."""
    chosen, beside, functions = beginning.chosen, beginning.beside, beginning.functions
    wanted = chosen_schema(schema or chosen.template.schema)
    below = "" if beginning.pipe_is_taken else piped()
    question, own_system = chosen.fill("\n\n".join(part for part in (prompt, below) if part and part.strip()))
    if not (question or beside.parts):
        raise click.UsageError("Missing argument 'PROMPT': ask something, or pipe it in.")
    asked = Message.user(*beside.parts, *([question] if question else []))
    messages = [*beginning.earlier.with_system(beginning.given.system or own_system), asked]
    whole = as_json or not stream or wanted is not None or first or last
    provider, model = beginning.target(() if wanted is None else _fitting())
    with provider, beginning.earlier.going_on():
        given: dict[str, Any] = {
            "parameters": beginning.parameters(provider),
            "provider_options": beginning.provider_options(provider),
        }
        if dry_run:
            ask = ask_of(model, messages, tools=functions, response_format=wanted, stream=not whole, **given)
            show_request(provider, ask, as_json=as_json)
            return
        announce(provider, model, asked, given["parameters"], beside.told, large=large)
        started, shown = time.monotonic(), False
        rounds = Rounds(model, Consent(beginning.yes), None if whole else writer_for(markdown=markdown))
        if functions:
            with rounds:
                response = provider.run_tools(
                    model,
                    messages,
                    functions,
                    max_rounds=max_rounds,
                    response_format=wanted,
                    approve=rounds.approve,
                    watch=rounds.watch,
                    on_event=None if whole else rounds.see,
                    **given,
                ).response
            shown = rounds.shown
        elif whole:
            with waiting(f"{model} …"):
                response = provider.chat(model, messages, response_format=wanted, **given)
        else:
            shown = True
            with provider.stream_chat(model, messages, **given) as answer:
                response = show_stream(answer, model, writer_for(markdown=markdown))
    seconds = time.monotonic() - started
    if as_json:
        write_json({**known(response), "seconds": round(seconds, 3)})
        return
    if wanted is not None and response.refusal is None:
        write_json(response.parsed)
    elif not shown:
        text = extracted(response.text or response.refusal or "", first=first, last=last)
        write_answer(text, markdown=markdown and not (first or last))
    for call in response.tool_calls:
        note(f"calls {call.name}({call.arguments_json})")
    for warning in response.warnings:
        warn(warning)
    note("; ".join(filter(None, (summary(response, seconds), rounds.in_all()))))


def _fitting() -> list[GivenLayer]:
    from .questions.fitting import fitted

    return [fitted]
