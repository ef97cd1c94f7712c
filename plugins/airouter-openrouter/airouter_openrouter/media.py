"""Embeddings and pictures. Source: OpenRouter's OpenAPI document (2026-08-22), ``/embeddings`` and ``/images``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from airouter_core.dialects.chat_completions.endpoints import vectors_in
from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.values.messages import FilePart
from airouter_core.values.usage import Cost
from airouter_core.values.value import Value
from airouter_core.wire.http import MEBIBYTE, HttpRequest, Operation
from airouter_core.wire.json import items, mapping, text

from .config import OpenRouterConfig
from .cost import cost_of
from .operations import answer_in, post
from .routing import ROUTING, preferences

MOST_REFERENCES = 16


class Picture(Value, frozen=True, kw_only=True):
    """What to paint.

    Attributes:
        size: ``"1024x1024"``, or a tier: ``"512"``, ``"1K"``, ``"2K"``, ``"4K"``.
        references: pictures to start from.
        options: further fields of the API, and routing, as in ``provider_options``.
    """

    prompt: str
    model: str
    size: str | None = None
    n: int | None = None
    aspect_ratio: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    seed: int | None = None
    references: Sequence[FilePart] = ()
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str) or not self.prompt:
            raise ParameterError("create_image needs a prompt")
        if len(self.references) > MOST_REFERENCES:
            raise ParameterError(f"OpenRouter takes at most {MOST_REFERENCES} pictures to start from")
        preferences(self.options)


NAMED = ("size", "n", "aspect_ratio", "quality", "background", "output_format", "seed")


def _with_options(body: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    body.update((name, value) for name, value in options.items() if name not in ROUTING)
    if routing := preferences(options):
        body["provider"] = routing
    return body


def _build_images(config: OpenRouterConfig, picture: Picture) -> HttpRequest:
    body: dict[str, Any] = {"model": picture.model, "prompt": picture.prompt}
    body.update((name, getattr(picture, name)) for name in NAMED if getattr(picture, name) is not None)
    if picture.references:
        body["input_references"] = [
            {"type": "image_url", "image_url": {"url": part.data_url}} for part in picture.references
        ]
    return post(config, "images", _with_options(body, picture.options))


def _parse_images(body: bytes) -> tuple[list[FilePart], Cost | None]:
    answer = answer_in(body)
    pictures = [_picture(mapping(entry)) for entry in items(answer.get("data"))]
    if not pictures:
        raise ProtocolError("OpenRouter sent no pictures")
    return pictures, cost_of(mapping(answer.get("usage")))


def _picture(entry: Mapping[str, Any]) -> FilePart:
    if not (content := text(entry.get("b64_json"))):
        raise ProtocolError("OpenRouter sent a picture without content")
    try:
        return FilePart.from_data(content, media_type=text(entry.get("media_type")) or None)
    except ParameterError as error:
        raise ProtocolError("OpenRouter sent a picture that is no base64") from error


def _build_embeddings(
    config: OpenRouterConfig, texts: Sequence[str], model: str, options: Mapping[str, Any]
) -> HttpRequest:
    return post(config, "embeddings", _with_options({"model": model, "input": list(texts)}, options))


def _parse_embeddings(body: bytes) -> tuple[list[list[float]], Cost | None]:
    answer = answer_in(body)
    return vectors_in(answer), cost_of(mapping(answer.get("usage")))


IMAGES = Operation(build=_build_images, parse=_parse_images, max_bytes=512 * MEBIBYTE)
EMBEDDINGS = Operation(build=_build_embeddings, parse=_parse_embeddings)
