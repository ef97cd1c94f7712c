"""What an answer holds beside its words, and several formats have a place for: likelihoods of tokens, sources, sound.

Providers keep it as metadata, each under its own name, and in the words of OpenAI's formats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.values.messages import FilePart, Metadata, Part, ProviderPart, TextPart
from airouter_core.values.response import Response
from airouter_core.wire.json import items, mapping

CITATION = "url_citation"
SOURCES, CITATIONS, SOUND = "sources", "citations", "sound"
"""What an answer may hold, and not all formats have a place for; citations are Anthropic's form of sources."""
OF_LIKELIHOODS = ("token", "logprob", "bytes")
OF_ANSWERS = ("service_tier", "system_fingerprint")


def kept(metadata: Metadata, field: str) -> Any:
    """What some provider has kept under this name; ``None`` where none has."""
    return next((own[field] for own in map(mapping, metadata.values()) if own.get(field)), None)


def named(metadata: Metadata) -> dict[str, Any]:
    """Fields of the whole answer that say how it was made."""
    found = {name: kept(metadata, name) for name in OF_ANSWERS}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def likelihoods(metadata: Metadata) -> list[dict[str, Any]]:
    """Log probabilities, one entry for each token of the answer; empty where nobody has told them."""
    return [_entry(mapping(entry)) for entry in items(kept(metadata, "logprobs"))]


def sources(metadata: Metadata, *, nested: bool) -> list[dict[str, Any]]:
    """Annotations of a text.

    Args:
        nested: whether what is cited lies in an object of its own, as in chat completions; in Responses it lies flat.
    """
    return [
        _source(dict(entry), nested=nested) for entry in map(mapping, items(kept(metadata, "annotations"))) if entry
    ]


def sound(parts: Iterable[Part], metadata: Metadata, identity: str) -> dict[str, Any] | None:
    """What was spoken; ``None`` where nothing was.

    Args:
        identity: its name where the provider gave it none.
    """
    files = (part for part in parts if isinstance(part, FilePart) and part.media_type.startswith("audio/"))
    data = next((file.base64 for file in files), "")
    told: Mapping[str, Any] = mapping(kept(metadata, "audio"))
    if not data and not told:
        return None
    return {"id": identity, "data": data, "transcript": "", "expires_at": 0, **told}


def untold(response: Response, places: frozenset[str]) -> tuple[str, ...]:
    """One line for what a client of another dialect does not hear of an answer; none where it hears all.

    Args:
        places: for what its format has a place.
    """
    parts, metadata = response.message.parts, response.provider_metadata
    found = {
        SOURCES: bool(kept(metadata, "annotations")),
        CITATIONS: any(kept(part.provider_metadata, "citations") for part in parts if isinstance(part, TextPart)),
        SOUND: sound(parts, metadata, "") is not None,
        "what the provider did by itself": any(isinstance(part, ProviderPart) for part in parts),
    }
    names = [name for name, is_there in found.items() if is_there and name not in places]
    return (f"the answer holds more, for which this format has no place: {', '.join(names)}",) if names else ()


def _entry(told: Mapping[str, Any]) -> dict[str, Any]:
    """One entry with all of its fields, since clients read each without asking whether it is there."""
    token = str(told.get("token", ""))
    whole = {"token": token, "logprob": told.get("logprob"), "bytes": told.get("bytes") or list(token.encode())}
    others = [_entry(mapping(other)) for other in items(told.get("top_logprobs"))]
    return {**whole, "top_logprobs": [{name: other[name] for name in OF_LIKELIHOODS} for other in others]}


def _source(told: dict[str, Any], *, nested: bool) -> dict[str, Any]:
    inner = told.get(CITATION)
    if nested and told.get("type") == CITATION and inner is None:
        return {"type": CITATION, CITATION: {name: value for name, value in told.items() if name != "type"}}
    if not nested and isinstance(inner, Mapping):
        return {"type": CITATION, **inner}
    return told
