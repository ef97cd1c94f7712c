"""What happens while a model answers. A body, a stream and a cached answer all become these.

An answer is a sequence of events that ends with :class:`Finish`; reports (usage, cost, metadata, warnings) may stand
anywhere, also after it. Deltas of one kind that follow each other make one part; :class:`PartEnd` closes it early and
attaches what the provider wants back with it.
"""

from __future__ import annotations

from typing import Literal

import attrs

from .messages import NO_METADATA, Metadata, Part
from .shared import shared_methods
from .usage import Cost, Usage

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error", "other"]


@attrs.frozen
@shared_methods
class StreamStart:
    """The provider begins to answer, and says as which model. A later one adds to what an earlier one said."""

    model: str | None = None
    id: str | None = None
    request_id: str | None = None


@attrs.frozen
@shared_methods
class TextDelta:
    """More of the answer's text."""

    text: str


@attrs.frozen
@shared_methods
class ReasoningDelta:
    """More of the reasoning."""

    text: str


@attrs.frozen
@shared_methods
class RefusalDelta:
    """More of a refusal, where the provider tells it apart from text."""

    text: str


@attrs.frozen
@shared_methods
class PartEnd:
    """The open text or reasoning part is complete."""

    provider_metadata: Metadata = attrs.field(default=NO_METADATA, repr=False)


@attrs.frozen
@shared_methods
class PartAdded:
    """A part that arrived whole: a picture, or something only this provider understands."""

    part: Part


@attrs.frozen
@shared_methods
class ToolCallStart:
    """The model begins to call a tool. ``index`` tells parallel calls apart."""

    index: int
    id: str
    name: str


@attrs.frozen
@shared_methods
class ToolCallDelta:
    """More of a call's arguments: a fragment of JSON text."""

    index: int
    arguments_json: str


@attrs.frozen
@shared_methods
class ToolCallEnd:
    """A call's arguments are complete."""

    index: int
    provider_metadata: Metadata = attrs.field(default=NO_METADATA, repr=False)


@attrs.frozen
@shared_methods
class UsageReported:
    """Tokens so far; a later report replaces an earlier one."""

    usage: Usage


@attrs.frozen
@shared_methods
class CostReported:
    """What the call cost, as the provider says."""

    cost: Cost


@attrs.frozen
@shared_methods
class MetadataReported:
    """What only this provider has to say about the answer, keyed by the provider's name."""

    provider_metadata: Metadata


@attrs.frozen
@shared_methods
class Warned:
    """Something the caller should know about the answer, in ``warnings`` of the response."""

    message: str


@attrs.frozen
@shared_methods
class Finish:
    """The provider says that the answer is complete. Without this event an answer is truncated."""

    finish_reason: FinishReason
    raw_finish_reason: str | None = None


@attrs.frozen
@shared_methods
class Alternative:
    """An event of a further answer (``n`` > 1); the first answer's events stand bare."""

    index: int
    event: StreamEvent


StreamEvent = (
    StreamStart
    | TextDelta
    | ReasoningDelta
    | RefusalDelta
    | PartEnd
    | PartAdded
    | ToolCallStart
    | ToolCallDelta
    | ToolCallEnd
    | UsageReported
    | CostReported
    | MetadataReported
    | Warned
    | Finish
    | Alternative
)
