"""Making images: ``POST /images/generations``.

Source: ``image_generate_params.py`` and ``image_model.py`` of the vendor's SDK 3.54.0. The models that took
``response_format`` and ``style``, and answered with addresses, are gone; theirs are the names people still write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.values.media import decoded, media_type_of
from airouter_core.values.value import Value
from airouter_core.wire.http import MEBIBYTE, HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_object, items, mapping, text

from .config import OpenAIConfig
from .wire import headers

SUCCESSOR = "gpt-image-2.5-sunburst"
"""What the vendor names in place of its retired image models; also taken when no model is given."""

RETIRED: Mapping[str, str] = {
    "dall-e-2": "2026-05-12",
    "dall-e-3": "2026-05-12",
    "gpt-image-1": "2026-10-23",
}
"""Retired models, and since when."""

QUALITIES: Mapping[str, str] = {"hd": "high", "standard": "medium"}
SIZES: Mapping[str, str] = {
    "1792x1024": "1536x1024",
    "1024x1792": "1024x1536",
    "256x256": "1024x1024",
    "512x512": "1024x1024",
}
"""What retired models called a quality or a size, and what comes nearest now."""
DROPPED = ("style", "response_format")


class ImageOrder(Value, frozen=True, kw_only=True):
    """Which images to make.

    Attributes:
        size: ``"1024x1024"``, ``"1536x1024"``, ``"1024x1536"``, another ``"WxH"`` where the model takes it, or
            ``"auto"``.
        options: fields of the API that have no name here.
    """

    prompt: str
    model: str = SUCCESSOR
    size: str | None = None
    count: int | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)


def settled(order: ImageOrder) -> tuple[ImageOrder, str | None]:
    """The order as it can be filled today, and what to tell the caller where that differs from what was asked."""
    since = RETIRED.get(order.model)
    if since is None:
        return order, None
    dropped = [name for name in DROPPED if name in order.options]
    filled = msgspec.structs.replace(
        order,
        model=SUCCESSOR,
        size=SIZES.get(order.size or "", order.size),
        quality=QUALITIES.get(order.quality or "", order.quality),
        options={name: value for name, value in order.options.items() if name not in DROPPED},
    )
    changes = [
        f"{name} {old!r} became {new!r}"
        for name, old, new in (("size", order.size, filled.size), ("quality", order.quality, filled.quality))
        if old != new
    ]
    changes += [f"{name} was left out" for name in dropped]
    told = "".join(f"; {change}" for change in changes)
    return filled, f"openai: {order.model} was retired on {since}, {SUCCESSOR} makes the image{told}"


def _build(config: OpenAIConfig, order: ImageOrder) -> HttpRequest:
    body: dict[str, Any] = {"model": order.model, "prompt": order.prompt}
    named = {
        "size": order.size,
        "n": order.count,
        "quality": order.quality,
        "background": order.background,
        "output_format": order.output_format,
    }
    body.update({name: value for name, value in named.items() if value is not None})
    body.update(order.options)
    return json_request(config, "POST", "images/generations", body, headers=headers(config))


def _parse(body: bytes) -> list[str]:
    answer = decoded_object(body)
    made = [_address(mapping(entry), text(answer.get("output_format"))) for entry in items(answer.get("data"))]
    if not made:
        raise ProtocolError("the provider sent no images")
    return made


def _address(entry: Mapping[str, Any], image_format: str) -> str:
    content = text(entry.get("b64_json"))
    if not content:
        if address := text(entry.get("url")):
            return address
        raise ProtocolError("the provider sent an image with neither content nor address")
    try:
        data = decoded(content[:64])
    except ParameterError as error:
        raise ProtocolError("the provider sent an image that is no base64") from error
    kind = f"image/{image_format}" if image_format else media_type_of(data)
    return f"data:{kind if kind.startswith('image/') else 'image/png'};base64,{content}"


IMAGES = Operation(build=_build, parse=_parse, max_bytes=512 * MEBIBYTE)
"""Ten large images in one answer come to hundreds of mebibytes."""
