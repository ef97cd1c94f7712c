"""From a response back to its events: how an answer that was kept, or made up, is told once more."""

from __future__ import annotations

from collections.abc import Iterator

from . import events as e
from .messages import Part, ReasoningPart, RefusalPart, TextPart, ToolCallPart
from .response import Response


def events_of(response: Response) -> Iterator[e.StreamEvent]:
    """The events that fold to this response: how an answer from a cache or a fake is replayed."""
    yield e.StreamStart(response.model, response.id, response.request_id)
    for index, part in enumerate(response.message.parts):
        yield from _part_events(index, part)
    yield e.UsageReported(response.usage)
    if response.cost is not None:
        yield e.CostReported(response.cost)
    if response.provider_metadata:
        yield e.MetadataReported(response.provider_metadata)
    yield from (e.Warned(warning) for warning in response.warnings)
    for index, alternative in enumerate(response.alternatives, start=1):
        yield from (e.Alternative(index, event) for event in events_of(alternative))
    if response.finish_reason is not None:
        yield e.Finish(response.finish_reason, response.raw_finish_reason)


def _part_events(index: int, part: Part) -> Iterator[e.StreamEvent]:
    match part:
        case TextPart() if part.text or part.provider_metadata:
            yield e.TextDelta(part.text)
            yield e.PartEnd(part.provider_metadata)
        case ReasoningPart() if part.text or part.provider_metadata:
            yield e.ReasoningDelta(part.text)
            yield e.PartEnd(part.provider_metadata)
        case RefusalPart():
            yield e.RefusalDelta(part.text)
            yield e.PartEnd()
        case ToolCallPart():
            yield e.ToolCallStart(index, part.id, part.name)
            yield e.ToolCallDelta(index, part.arguments_json)
            yield e.ToolCallEnd(index, part.provider_metadata)
        case _:
            yield e.PartAdded(part)
