"""How an answer is shown, and what is said of it."""

from __future__ import annotations

import contextlib

from ..provider.streams import ResponseStream
from ..values.events import RefusalDelta, TextDelta
from ..values.response import Response
from .markdown import TextWriter, writer_for
from .output import waiting
from .streams import Writer


def write_answer(text: str, *, markdown: bool) -> None:
    """Write a whole answer."""
    writer = writer_for(markdown=markdown)
    writer.write(text)
    writer.end()


def show_stream(answer: ResponseStream, model: str, writer: TextWriter | None = None) -> Response:
    """Write an answer to stdout as it is made."""
    events = iter(answer)
    writer = writer or Writer()
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
    except BaseException:
        if anything:
            with contextlib.suppress(OSError):
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


def known(response: Response) -> dict[str, object]:
    """All that is known of an answer, for programs."""
    return {
        "text": response.text,
        "parsed": response.parsed,
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
