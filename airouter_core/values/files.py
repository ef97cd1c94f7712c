"""A file as a part of a message."""

from __future__ import annotations

import base64
import mimetypes
import os
from collections.abc import Mapping
from typing import Any

from ..errors import ParameterError
from .media import decoded, media_type_of, media_type_of_file, read_regular
from .value import Value, hiding, metadata

Metadata = Mapping[str, Any]


class FilePart(Value, frozen=True, tag=True):
    """An image, a PDF, a sound: its bytes, or where they are.

    Attributes:
        media_type: such as ``"image/png"``; ``"image/*"`` when a URL does not tell.
        data: the bytes, or ``None`` when ``url`` is given.
        url: where the provider can fetch it.
        name: file name, for documents.
        detail: how closely to look at an image: ``"low"``, ``"high"``, ``"auto"``.
    """

    media_type: str
    data: bytes | None = None
    url: str | None = None
    name: str | None = None
    detail: str | None = None
    provider_metadata: Metadata = metadata()

    __repr__ = hiding("data", "provider_metadata")

    @property
    def is_image(self) -> bool:
        return self.media_type.startswith("image/")

    @property
    def base64(self) -> str:
        """The bytes in base64; empty when there is only a URL."""
        return base64.b64encode(self.data or b"").decode("ascii")

    @property
    def data_url(self) -> str:
        """The address if there is one, else the bytes as a ``data:`` URL."""
        return self.url if self.url is not None else f"data:{self.media_type};base64,{self.base64}"

    @classmethod
    def from_path(cls, path: str | os.PathLike[str], *, detail: str | None = None) -> FilePart:
        """Read a file now.

        Raises:
            ParameterError: it cannot be read, is empty, is no file (but a device or a pipe), or is longer than 100 MiB,
                which is more than any provider takes.
        """
        if not isinstance(path, str | os.PathLike):
            raise ParameterError(f"a path is a string or a Path, not {type(path).__name__}")
        try:
            data = read_regular(path)
        except (OSError, ValueError) as error:  # the second: a path with a NUL, or a lone surrogate
            raise ParameterError(f"cannot read {os.fspath(path)!r}: {getattr(error, 'strerror', error)}") from error
        if not data:
            raise ParameterError(f"{os.fspath(path)!r} is empty, so there is nothing to send")
        name = os.path.basename(os.fspath(path))
        return cls(media_type_of_file(data, name), data=data, name=name, detail=detail)

    @classmethod
    def from_url(cls, url: str, *, media_type: str | None = None, detail: str | None = None) -> FilePart:
        """Take an ``http(s):`` address as it is, and a ``data:`` URL apart.

        Raises:
            ParameterError: it is neither.
        """
        if not isinstance(url, str):
            raise ParameterError(f"the address of a file is a string, not {type(url).__name__}")
        if url[:8].lower().startswith(("http://", "https://")):
            guess = mimetypes.guess_type(url.partition("?")[0])[0]
            return cls(media_type or guess or "image/*", url=url, detail=detail)
        head, comma, payload = url.partition(",")
        if not (head.lower().startswith("data:") and head.lower().endswith(";base64") and comma):
            raise ParameterError(f"{url[:40]!r} is no http(s) address and no base64 data: URL")
        data = decoded(payload)
        return cls(media_type or head[5:-7].split(";")[0] or media_type_of(data), data=data, detail=detail)

    @classmethod
    def from_data(cls, data: bytes | str, *, media_type: str | None = None, name: str | None = None) -> FilePart:
        """Take bytes, or a string of base64; the media type is read from the first bytes unless given.

        Raises:
            ParameterError: the string is no base64.
        """
        if not isinstance(data, bytes | str):
            raise ParameterError(f"the content of a file is bytes, or base64 in a string, not {type(data).__name__}")
        content = decoded(data) if isinstance(data, str) else data
        return cls(media_type or media_type_of(content, name), data=content, name=name)
