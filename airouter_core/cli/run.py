"""``airouter run``: ask once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from ..plugins.registry import installed
from ..provider.asking import ask_of
from ..values.messages import Message
from .answering import known, show_stream, summary, write_answer
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
from .markdown import markdown_option, writer_for
from .output import note, waiting, warn, write_json
from .preview import show_request
from .sending import along, announce, sending_options, takes_pipe
from .shaping import chosen_schema, extracted, shaping_options
from .targets import chosen_model, chosen_target
from .templating import chosen_template, template_options
from .tooling import Consent, Rounds, chosen_tools, tool_options

if TYPE_CHECKING:
    from ..plugins.layering import GivenLayer


@click.command()
@target_options
@system_option
@template_options
@continuing_options
@parameters_option
@provider_option_option
@sending_options
@tool_options
@shaping_options
@click.option("--stream/--no-stream", default=True, help="Show the answer as it is made, or whole.")
@click.option("--dry-run", is_flag=True, help="Print the request that would be sent, as a command of curl.")
@markdown_option
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
    tools: tuple[str, ...],
    files: tuple[str, ...],
    yes: bool,
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
    chosen = chosen_template(template, variables)
    functions = chosen_tools((*chosen.template.tools, *tools), files, yes=yes)
    wanted = chosen_schema(schema or chosen.template.schema)
    below = "" if takes_pipe(fragments, attachments) else piped()
    beside = along(fragments, attachments)
    question, own_system = chosen.fill("\n\n".join(part for part in (prompt, below) if part and part.strip()))
    if not (question or beside.parts):
        raise click.UsageError("Missing argument 'PROMPT': ask something, or pipe it in.")
    earlier = past(go_on, conversation)
    address = earlier.addressed(provider_name, model, chosen)
    provider, named = chosen_target(provider_name, address, settings, () if wanted is None else _fitting())
    with provider, earlier.going_on():
        name = chosen_model(provider, named)
        given: dict[str, Any] = {
            "parameters": chosen.with_parameters(options, installed().parameters(provider.info.name)),
            "provider_options": {provider.info.name: given_provider_options(own_options)},
        }
        asked = Message.user(*beside.parts, *([question] if question else []))
        messages = [*earlier.with_system(system or own_system), asked]
        whole = as_json or not stream or wanted is not None or first or last
        if dry_run:
            ask = ask_of(name, messages, tools=functions, response_format=wanted, stream=not whole, **given)
            show_request(provider, ask, as_json=as_json)
            return
        announce(provider, name, asked, given["parameters"], beside.told, large=large)
        started, shown = time.monotonic(), False
        rounds = Rounds(name, Consent(yes), None if whole else writer_for(markdown=markdown))
        if functions:
            with rounds:
                response = provider.run_tools(
                    name,
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
            with waiting(f"{name} …"):
                response = provider.chat(name, messages, response_format=wanted, **given)
        else:
            shown = True
            with provider.stream_chat(name, messages, **given) as answer:
                response = show_stream(answer, name, writer_for(markdown=markdown))
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
