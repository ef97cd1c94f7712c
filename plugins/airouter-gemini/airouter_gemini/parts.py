"""The parts of our messages as the parts of Google's contents, and back.

What a part of ours has no field for (a signature, whether a text is a thought) is in its
``provider_metadata["gemini"]`` under Google's own names, and is laid over the part again when it is sent: so a
conversation survives the round trip part for part. A part that has none of ours is a ``ProviderPart``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.values.arguments import arguments_object
from airouter_core.values.media import decoded
from airouter_core.values.messages import (
    FilePart,
    Metadata,
    Part,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.value import NO_METADATA
from airouter_core.wire.calls import COMPACT, written_arguments
from airouter_core.wire.json import mapping, text

from .config import GeminiConfig
from .plugin import GEMINI
from .profile import Family

KEY = GEMINI.name
THOUGHT = "thought"
SIGNATURE = "thoughtSignature"
STEP = "step"
"""Where a part keeps what only the Interactions API understands of it; generateContent is not sent it."""
ID_IS_OURS = "id_is_ours"
"""Marks a call that Google gave no id: the one it has was made here, and is not sent."""
UNREADABLE = "INVALID_JSON"
"""Key under which arguments that are no JSON object are sent back."""
UNSIGNED = "skip_thought_signature_validator"
"""In place of the signature of a call that another model made (Google's page on thought signatures)."""
RESOLUTIONS: Mapping[str, str] = {"low": "MEDIA_RESOLUTION_LOW", "high": "MEDIA_RESOLUTION_HIGH"}

Json = dict[str, Any]


def metadata_of(part: Mapping[str, Any], *held: str, **more: Any) -> Metadata:
    """What a part of ours keeps of Google's beside its own fields."""
    kept = {name: value for name, value in part.items() if name not in held and value not in (None, "", [], False)}
    kept.update(more)
    return {KEY: kept} if kept else NO_METADATA


def file_of(part: Mapping[str, Any]) -> FilePart | None:
    """The file that a part is; ``None`` when it is none, or one that was only thought of on the way."""
    if part.get(THOUGHT) is True:
        return None
    if inline := mapping(part.get("inlineData")):
        try:
            data = decoded(text(inline.get("data")).replace("-", "+").replace("_", "/"))
        except ParameterError as error:
            raise ProtocolError("the provider sent a file that is no base64") from error
        media_type = text(inline.get("mimeType")) or "application/octet-stream"
        name = text(inline.get("displayName")) or None
        return FilePart(media_type, data=data, name=name, provider_metadata=metadata_of(part, "inlineData"))
    linked = mapping(part.get("fileData"))
    if not text(linked.get("fileUri")):
        return None
    media_type = text(linked.get("mimeType")) or "application/octet-stream"
    return FilePart(media_type, url=linked["fileUri"], provider_metadata=metadata_of(part, "fileData"))


class Sending:
    """Writes the parts of one request, in order: results of tools are known by the calls before them.

    Args:
        family: of the model that is asked.
    """

    def __init__(self, family: Family, config: GeminiConfig) -> None:
        self._family = family
        self._config = config
        self._calls: dict[str, ToolCallPart] = {}

    def parts(self, parts: tuple[Part, ...], role: str) -> list[Json]:
        """What a message is sent as."""
        made = [json for part in parts for json in self._part(part, role)]
        if role == "assistant" and self._family.signed:
            _vouch(made)
        return made

    def _part(self, part: Part, role: str) -> Iterator[Json]:
        extra = _extra(part)
        match part:
            case TextPart():
                if part.text or extra or role != "assistant":
                    yield {"text": part.text, **extra}
            case RefusalPart():
                yield {"text": part.text}
            case ReasoningPart():
                if extra:
                    yield {"text": part.text, **extra}
            case FilePart():
                yield {**self._file(part), **extra}
            case ToolCallPart():
                self._calls[part.id] = part
                yield {"functionCall": _call(part, extra), **extra}
            case ToolResultPart():
                yield from self._result(part, extra)
            case ProviderPart() if part.provider == KEY and not is_step(part):
                yield dict(part.value)

    def _file(self, part: FilePart) -> Json:
        made = self._data(part, named=self._config.vertex)
        level = RESOLUTIONS.get(part.detail or "")
        if self._family.signed and level is not None:
            made["mediaResolution"] = {"level": level}
        return made

    def _data(self, part: FilePart, *, named: bool) -> Json:
        if part.url is None:
            data: Json = {"mimeType": part.media_type, "data": part.base64}
            if named and part.name:
                data["displayName"] = part.name
            return {"inlineData": data}
        linked: Json = {"fileUri": part.url}
        if not part.media_type.endswith("*"):
            linked["mimeType"] = part.media_type
        return {"fileData": linked}

    def _result(self, part: ToolResultPart, extra: Json) -> Iterator[Json]:
        call = self._calls.get(part.tool_call_id)
        made: Json = {"name": part.name or "" if call is None else call.name, "response": _answer(part)}
        if part.tool_call_id and not (call is not None and _id_is_ours(call)):
            made["id"] = part.tool_call_id
        files = [item for item in part.content if isinstance(item, FilePart)]
        if files and self._family.signed:
            made["parts"] = [self._data(file, named=True) for file in files]
            files = []
        yield {"functionResponse": made, **extra}
        # Older models take no files in a result: they stand behind it.
        yield from map(self._file, files)


def written(arguments: Any) -> str:
    """Arguments as the JSON text that calls of ours hold."""
    return written_arguments(arguments, COMPACT)


def is_foreign_thought(part: Part) -> bool:
    """Whether this is a thought that another model had; Google takes only its own."""
    return isinstance(part, ReasoningPart) and not _extra(part)


def is_step(part: Part) -> TypeGuard[ProviderPart]:
    """Whether this is a step of the Interactions API; parts of generateContent have no type."""
    return isinstance(part, ProviderPart) and part.provider == KEY and bool(text(part.value.get("type")))


def object_of(said: str) -> Json | None:
    """The JSON object that a text is; ``None`` for any other."""
    try:
        value = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _extra(part: Part) -> Json:
    own = mapping(mapping(getattr(part, "provider_metadata", None)).get(KEY))
    return {name: value for name, value in own.items() if name not in (ID_IS_OURS, STEP)}


def _id_is_ours(part: ToolCallPart) -> bool:
    return bool(mapping(part.provider_metadata.get(KEY)).get(ID_IS_OURS))


def _call(part: ToolCallPart, extra: Json) -> Json:
    made: Json = {"name": part.name, "args": arguments_object(part)}
    if part.id and not _id_is_ours(part):
        made["id"] = part.id
    return made


def _answer(part: ToolResultPart) -> Json:
    """A result as the object that it must be: the tool's own, or one around its words (as the vendor's SDK does)."""
    if part.is_error:
        return {"error": part.text}
    value = object_of(part.text)
    return {"result": part.text} if value is None else value


def _vouch(parts: list[Json]) -> None:
    """Give the calls of a turn a signature where another model made them; only the first of them bears one."""
    calls = [part for part in parts if "functionCall" in part]
    if calls and not any(SIGNATURE in part for part in calls):
        calls[0][SIGNATURE] = UNSIGNED
