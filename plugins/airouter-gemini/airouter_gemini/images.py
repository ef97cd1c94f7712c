"""Making images: models that answer with pictures, asked by generateContent for nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from airouter_core.errors import ContentFilteredError, ParameterError, ProtocolError
from airouter_core.profile.resolving import overlaid
from airouter_core.values.folding import fold
from airouter_core.values.messages import FilePart
from airouter_core.values.response import Response
from airouter_core.values.value import Value
from airouter_core.wire.http import MEBIBYTE, HttpRequest, Operation
from airouter_core.wire.json import mapping, text

from .config import GeminiConfig
from .endpoints import model_request
from .parts import KEY, Json
from .reader import AnswerReader

IMAGE_MODEL = "gemini-3.1-flash-image"
"""What is asked when no model is named: the one that Google's page on images begins with (2026-11)."""
SIZE = re.compile(r"\d+:\d+|\d+K|512", re.IGNORECASE)


class ImageOrder(Value, frozen=True, kw_only=True):
    """Which image to make.

    Attributes:
        size: a ratio such as ``"16:9"``, or ``"1K"``, ``"2K"``, ``"4K"``; both with a space between them.
        options: fields of the body, laid over it.
    """

    prompt: str
    model: str = IMAGE_MODEL
    size: str | None = None
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.prompt, str) or not self.prompt:
            raise ParameterError("create_image needs a prompt")
        if self.size is not None and not all(map(SIZE.fullmatch, self.size.split())):
            raise ParameterError(f'size is a ratio such as "16:9", or "1K", "2K", "4K", not {self.size!r}')

    @property
    def config(self) -> Json:
        """The size in Google's words."""
        return {"aspectRatio" if ":" in word else "imageSize": word.upper() for word in (self.size or "").split()}


def _build(config: GeminiConfig, order: ImageOrder) -> HttpRequest:
    wanted: Json = {"responseModalities": ["IMAGE"]}
    if order.config:
        wanted["imageConfig"] = order.config
    body: Json = {"contents": [{"parts": [{"text": order.prompt}], "role": "user"}], "generationConfig": wanted}
    return model_request(config, order.model, "generateContent", overlaid(body, order.options))


def _parse(body: bytes) -> list[FilePart]:
    response = fold(AnswerReader().read_body(body))
    made = [part for part in response.message.parts if isinstance(part, FilePart) and part.is_image]
    if not made:
        raise _none(response)
    return made


def _none(response: Response) -> ContentFilteredError | ProtocolError:
    said = text(mapping(response.provider_metadata.get(KEY)).get("finishMessage")) or response.text
    why = f"{KEY}: no image was made ({response.raw_finish_reason})" + (f": {said}" if said else "")
    if response.finish_reason == "content_filter":
        return ContentFilteredError(why, provider=KEY, status=200, error_type=response.raw_finish_reason)
    return ProtocolError(why)


IMAGES: Operation[list[FilePart]] = Operation(build=_build, parse=_parse, max_bytes=512 * MEBIBYTE)
