"""What happens while a model answers. A body, a stream and a cached answer all become these.

An answer is a sequence of events that ends with :class:`Finish`; reports (usage, cost, metadata, warnings) may stand
anywhere, also after it. Deltas of one kind that follow each other make one part; :class:`PartEnd` closes it early and
attaches what the provider wants back with it.
"""

from __future__ import annotations

from typing import Literal

from .messages import Metadata, Part
from .usage import Cost, Usage
from .value import Value, hiding, metadata

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "error", "other"]


class StreamStart(Value, frozen=True, tag=True, gc=False):
    """The provider begins to answer, and says as which model. A later one adds to what an earlier one said."""

    model: str | None = None
    id: str | None = None
    request_id: str | None = None


class TextDelta(Value, frozen=True, tag=True, gc=False):
    """More of the answer's text."""

    text: str


class ReasoningDelta(Value, frozen=True, tag=True, gc=False):
    """More of the reasoning."""

    text: str


class RefusalDelta(Value, frozen=True, tag=True, gc=False):
    """More of a refusal, where the provider tells it apart from text."""

    text: str


class PartEnd(Value, frozen=True, tag=True):
    """The open text or reasoning part is complete."""

    provider_metadata: Metadata = metadata()

    __repr__ = hiding("provider_metadata")


class PartAdded(Value, frozen=True, tag=True):
    """A part that arrived whole: a picture, or something only this provider understands."""

    part: Part


class ToolCallStart(Value, frozen=True, tag=True, gc=False):
    """The model begins to call a tool. ``index`` tells parallel calls apart."""

    index: int
    id: str
    name: str


class ToolCallDelta(Value, frozen=True, tag=True, gc=False):
    """More of a call's arguments: a fragment of JSON text."""

    index: int
    arguments_json: str


class ToolCallEnd(Value, frozen=True, tag=True):
    """A call's arguments are complete."""

    index: int
    provider_metadata: Metadata = metadata()

    __repr__ = hiding("provider_metadata")


class UsageReported(Value, frozen=True, tag=True):
    """Tokens so far; a later report replaces an earlier one."""

    usage: Usage


class CostReported(Value, frozen=True, tag=True):
    """What the call cost, as the provider says."""

    cost: Cost


class MetadataReported(Value, frozen=True, tag=True):
    """What only this provider has to say about the answer, keyed by the provider's name."""

    provider_metadata: Metadata


class Warned(Value, frozen=True, tag=True, gc=False):
    """Something the caller should know about the answer, in ``warnings`` of the response."""

    message: str


class Finish(Value, frozen=True, tag=True, gc=False):
    """The provider says that the answer is complete. Without this event an answer is truncated."""

    finish_reason: FinishReason
    raw_finish_reason: str | None = None


class Alternative(Value, frozen=True, tag=True):
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
