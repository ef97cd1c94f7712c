"""``/v1/images/generations``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.values.value import Value

from ..fields import given, model_of, object_of, rest, text_of

OPERATION = "create_image"
NAMED = ("size", "n", "quality", "background", "output_format")
DATA = "data:"


class Pictures(Value, frozen=True, kw_only=True):
    """Pictures that are asked for.

    Attributes:
        arguments: of the operation that makes them.
        as_address: whether an address is wanted rather than the bytes.
    """

    model: str
    arguments: dict[str, Any]
    as_address: bool = False


def read_images(body: bytes) -> Pictures:
    """What a body asks for.

    Raises:
        ParameterError: it is nothing that can be made.
    """
    said = object_of(body)
    prompt = text_of(said, "prompt")
    if prompt is None:
        raise ParameterError("prompt is required")
    if said.get("stream"):
        raise ParameterError("stream must be false: this server sends pictures whole")
    form = text_of(said, "response_format") or "b64_json"
    if form not in ("b64_json", "url"):
        raise ParameterError(f"response_format must be b64_json or url, not {form}")
    count = said.get("n")
    if not isinstance(count, int | None) or isinstance(count, bool) or (count is not None and not 1 <= count <= 10):
        raise ParameterError("n must be a whole number from 1 to 10")
    for name in NAMED[2:] + NAMED[:1]:
        text_of(said, name)
    arguments: dict[str, Any] = {"prompt": prompt, **given(said, *NAMED)}
    if own := rest(said, *NAMED, "model", "prompt", "response_format", "stream", "user"):
        arguments["options"] = own
    return Pictures(model=model_of(said), arguments=arguments, as_address=form == "url")


def images_body(asked: Pictures, addresses: Sequence[str], now: int) -> bytes:
    """The pictures: as bytes where there are bytes; a page of another host is only named."""
    data = [
        {"url": address}
        if asked.as_address or not address.startswith(DATA)
        else {"b64_json": address.partition(",")[2]}
        for address in addresses
    ]
    return msgspec.json.encode({"created": now, "data": data})
