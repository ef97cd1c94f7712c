"""Judging content: ``POST /moderations``. Source: ``types/moderation.py`` of the vendor's SDK 3.54.0."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.values.messages import FilePart, Metadata, TextPart
from airouter_core.values.record import Record
from airouter_core.values.value import hiding
from airouter_core.wire.http import HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_object, items, mapping, text

from .config import OpenAIConfig
from .wire import headers

DEFAULT_MODEL = "omni-moderation-latest"

Judged = str | TextPart | FilePart


class ModerationResult(Record, frozen=True, kw_only=True):
    """What OpenAI's classifier says about one content.

    Attributes:
        flagged: whether any category applies.
        categories: whether each applies; names as the API has them, such as ``"self-harm/intent"``.
        scores: how sure it is of each, from 0 to 1.
        applied_input_types: for each, whether it was judged by ``"text"``, ``"image"`` or both; empty for old models.
        raw: the provider's own object.
    """

    flagged: bool
    categories: Mapping[str, bool]
    scores: Mapping[str, float]
    applied_input_types: Mapping[str, tuple[str, ...]]
    model: str | None = None
    id: str | None = None
    raw: Metadata = msgspec.field(default_factory=dict)

    __repr__ = hiding("raw")

    @property
    def flagged_categories(self) -> tuple[str, ...]:
        """The categories that apply."""
        return tuple(name for name, applies in self.categories.items() if applies)


def moderation_input(content: Judged | Sequence[Judged]) -> str | list[dict[str, Any]]:
    """One content as the API takes it: a text, or texts and images judged together.

    Raises:
        ParameterError: it is empty, or holds something else.
    """
    if isinstance(content, str) and content:
        return content
    parts = list(content) if isinstance(content, list | tuple) else [content]
    if not parts or not all(parts):
        raise ParameterError("moderate_content takes a text, an image, or a list of both, none of them empty")
    return [_part(part) for part in parts]


def judged_texts(texts: Sequence[str]) -> list[str]:
    """Texts to be judged each for itself.

    Raises:
        ParameterError: there is none, or one is empty.
    """
    if isinstance(texts, str) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise ParameterError("moderate_contents takes a list of texts, none of them empty")
    return list(texts)


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, FilePart) and part.is_image:
        return {"type": "image_url", "image_url": {"url": part.data_url}}
    words = part.text if isinstance(part, TextPart) else part
    if isinstance(words, str):
        return {"type": "text", "text": words}
    raise ParameterError(f"moderate_content takes texts and images, not {type(part).__name__}")


def _build(config: OpenAIConfig, judged: str | Sequence[Any], model: str) -> HttpRequest:
    body = {"model": model, "input": judged if isinstance(judged, str) else list(judged)}
    return json_request(config, "POST", "moderations", body, headers=headers(config))


def _parse(body: bytes) -> list[ModerationResult]:
    answer = decoded_object(body)
    results = [_result(mapping(result), answer) for result in items(answer.get("results"))]
    if not results:
        raise ProtocolError("the provider sent no moderation results")
    return results


def _result(result: Mapping[str, Any], answer: Mapping[str, Any]) -> ModerationResult:
    flagged = result.get("flagged")
    if not isinstance(flagged, bool):
        raise ProtocolError("the provider sent a moderation result without a verdict")
    return ModerationResult(
        flagged=flagged,
        categories={name: bool(applies) for name, applies in mapping(result.get("categories")).items()},
        scores={name: score for name, score in _said(result, "category_scores") if type(score) in (int, float)},
        applied_input_types={
            name: tuple(kind for kind in items(kinds) if isinstance(kind, str))
            for name, kinds in _said(result, "category_applied_input_types")
        },
        model=text(answer.get("model")) or None,
        id=text(answer.get("id")) or None,
        raw=result,
    )


def _said(result: Mapping[str, Any], field: str) -> Iterable[tuple[str, Any]]:
    return mapping(result.get(field)).items()


MODERATIONS = Operation(build=_build, parse=_parse)
