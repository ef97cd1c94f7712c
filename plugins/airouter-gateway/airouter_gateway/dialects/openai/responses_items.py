"""Items of an answer in ``/v1/responses``, as they begin and as they are once they are whole."""

from __future__ import annotations

from typing import Any

import msgspec

from airouter_core.errors import ProtocolError
from airouter_core.values.messages import FilePart, Part, ProviderPart
from airouter_core.values.usage import Usage

from ..question import NamedTool
from ..sequence import Block
from .responses_tools import OPENAI

Item = dict[str, Any]
ENCRYPTED = "encrypted_content"


def usage_of(usage: Usage | None) -> dict[str, Any] | None:
    """Usage in this format's words; ``None`` where nobody has counted."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    sent, made = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": sent,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens or 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": sent + made,
    }


def begun_item(block: Block, identity: str, named: NamedTool | None) -> Item:
    """An item of which nothing has been said yet.

    Args:
        named: what the client calls the tool, where it is offered under a name of ours.
    """
    match block.kind:
        case "text" | "refusal":
            return {"id": identity, "type": "message", "role": "assistant", "content": []}
        case "reasoning":
            return {"id": identity, "type": "reasoning", "summary": []}
        case "call" if named is not None and named.custom:
            return {"id": identity, "type": "custom_tool_call", "call_id": block.id, "name": named.name, "input": ""}
        case "call":
            name = block.name if named is None else named.name
            call = {"id": identity, "type": "function_call", "call_id": block.id, "name": name, "arguments": ""}
            return {**call, "namespace": named.namespace} if named is not None and named.namespace else call
    return {"id": identity, "type": "item"}


def content_of(block: Block, text: str) -> Item:
    """What a message holds: a text, or a refusal."""
    if block.kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def is_shown(block: Block) -> bool:
    """Whether this format has an item for it: not for what only another provider reads."""
    if block.kind == "part":
        return whole_part(block.part) is not None
    unsaid = block.kind == "reasoning" and block.provider_metadata and not block.pieces
    return not unsaid or ENCRYPTED in own_of(block)


def whole_part(part: Part | None) -> Item | None:
    """The item that a part is which comes whole; ``None`` where this format has none for it."""
    match part:
        case FilePart() if part.data is not None and part.is_image:
            own = part.provider_metadata.get(OPENAI)
            return {**(own if isinstance(own, dict) else {}), "type": "image_generation_call", "result": part.base64}
        case ProviderPart(provider, value) if provider == OPENAI:
            return dict(value)
    return None


def own_of(block: Block) -> dict[str, Any]:
    """What the vendor of this format has kept with a part."""
    own = block.provider_metadata.get(OPENAI)
    return dict(own) if isinstance(own, dict) else {}


def free_text(arguments: str) -> str:
    """The text that a tool takes which was offered as a function of one text.

    Raises:
        ProtocolError: the arguments are no JSON.
    """
    try:
        said = msgspec.json.decode(arguments or "{}")
    except msgspec.DecodeError as error:
        raise ProtocolError("the model's input for a tool is no valid JSON") from error
    return str(said.get("input", "")) if isinstance(said, dict) else str(said)
