"""Files that are uploaded once and named in calls: what is too large to be sent along, and what is asked about often.

An upload is resumable: it is announced, then its bytes are sent in pieces, each at its offset. When a piece fails on
the way, Google is asked how much it has, and the rest is sent. Afterwards some files (videos above all) are prepared
for a while before they can be used. Source: ``files.py`` and ``_api_client.py`` of SDK google-genai 3.6.1.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

import msgspec

from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.values.media import media_type_of
from airouter_core.values.messages import FilePart
from airouter_core.values.record import Record
from airouter_core.values.value import hiding
from airouter_core.wire.http import MEBIBYTE, HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_object, encoded, items, mapping, text

from .caches import time_of
from .config import GeminiConfig
from .request import credentials

PIECE = 8 * MEBIBYTE
"""Bytes sent at once; Google wants multiples of 256 KiB."""
HEAD = 4096
"""Bytes by which the type of a file is told."""
LARGEST_PAGE = 100
FIRST_LOOK, LONGEST_LOOK = 1.0, 10.0
"""Seconds until a file that is being prepared is looked at again; doubled each time, up to the longest."""

OnProgress = Callable[[int, int], None]
"""Is told the bytes sent so far, and all there are."""


class RemoteFile(Record, frozen=True, kw_only=True):
    """An uploaded file, as it was when it was asked for. Google keeps it for two days.

    Attributes:
        name: such as ``"files/abc-123"``.
        uri: what calls name it by; :attr:`part` does.
        size: bytes.
        state: ``"PROCESSING"``, ``"ACTIVE"`` (can be used) or ``"FAILED"``.
        raw: Google's own object.
    """

    name: str
    uri: str
    media_type: str
    state: str
    display_name: str | None = None
    size: int | None = None
    expires_at: datetime.datetime | None = None
    problem: str | None = None
    raw: Mapping[str, Any] = msgspec.field(default_factory=dict)

    __repr__ = hiding("raw")

    @property
    def part(self) -> FilePart:
        """The file as a part of a message."""
        return FilePart(self.media_type, url=self.uri, name=self.display_name)


class FilePage(Record, frozen=True):
    """One page of the list of them; ``next`` is what to ask the next one with, or ``None``."""

    files: tuple[RemoteFile, ...]
    next: str | None


class Upload:
    """What is to be uploaded: a file that is open while it is read, or bytes.

    Raises:
        ParameterError: it cannot be read, or is empty.
    """

    def __init__(self, source: str | os.PathLike[str] | bytes, media_type: str | None, name: str | None) -> None:
        self._file: BinaryIO | None = None
        self._data = b""
        if isinstance(source, bytes):
            self._data, self.size, head = source, len(source), source[:HEAD]
        else:
            try:
                self._file = open(source, "rb")  # noqa: SIM115  # closed by close(), after the last piece
                self.size = os.fstat(self._file.fileno()).st_size
                head = self._file.read(HEAD)
            except (OSError, ValueError, TypeError) as error:
                raise ParameterError(f"cannot read {source!r}: {getattr(error, 'strerror', error)}") from error
            name = name or os.path.basename(os.fspath(source))
        if not self.size:
            raise ParameterError("a file to upload must not be empty")
        self.name = name
        self.media_type = media_type or media_type_of(head, name)

    def piece(self, offset: int) -> bytes:
        """The bytes from ``offset`` on, as many as are sent at once."""
        if self._file is None:
            return self._data[offset : offset + PIECE]
        self._file.seek(offset)
        return self._file.read(PIECE)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def announcement(config: GeminiConfig, upload: Upload) -> HttpRequest:
    """The request that begins an upload; its answer says in a header where the bytes go."""
    headers = {
        **credentials(config),
        "Content-Type": "application/json",
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Length": str(upload.size),
        "X-Goog-Upload-Header-Content-Type": upload.media_type,
    }
    described = {"mimeType": upload.media_type, **({"displayName": upload.name} if upload.name else {})}
    return HttpRequest("POST", f"{config.root}/upload/{config.version}/files", headers, encoded({"file": described}))


def upload_address(config: GeminiConfig, headers: Mapping[str, str]) -> str:
    """Where the bytes go: at the server that was asked, or nowhere.

    Raises:
        ProtocolError: no address was given, or another server's.
    """
    address = headers.get("x-goog-upload-url", "")
    given, asked = urlsplit(address), urlsplit(config.root)
    if (given.scheme, given.netloc) != (asked.scheme, asked.netloc):
        what = f"sends the file to another server, {given.netloc}" if given.netloc else "names no address for the file"
        raise ProtocolError(f"the provider {what}; nothing was sent there")
    return address


def piece_request(address: str, upload: Upload, offset: int) -> HttpRequest:
    """The request that sends the next piece; it bears no key, as the address is known to us alone."""
    data = upload.piece(offset)
    last = ", finalize" if offset + len(data) >= upload.size else ""
    headers = {"X-Goog-Upload-Command": f"upload{last}", "X-Goog-Upload-Offset": str(offset)}
    return HttpRequest("POST", address, headers, data)


def query_request(address: str) -> HttpRequest:
    """The request that asks how much has arrived."""
    return HttpRequest("POST", address, {"X-Goog-Upload-Command": "query"}, b"")


def arrived(headers: Mapping[str, str]) -> int:
    """How many bytes have arrived, as the answer to such a question says.

    Raises:
        ProtocolError: it does not say.
    """
    said = headers.get("x-goog-upload-size-received", "")
    if headers.get("x-goog-upload-status") != "active" or not said.isdigit():
        raise ProtocolError("the upload cannot be continued: the provider has closed it; upload the file again")
    return int(said)


def uploaded(body: bytes) -> RemoteFile:
    """The file that the answer to the last piece describes."""
    return _file(mapping(decoded_object(body).get("file")))


def _path(name: str) -> str:
    return quote(name if name.startswith("files/") else f"files/{name}", safe="/")


def _build_get(config: GeminiConfig, name: str) -> HttpRequest:
    return json_request(config, "GET", _path(name), headers=credentials(config))


def _build_delete(config: GeminiConfig, name: str) -> HttpRequest:
    return json_request(config, "DELETE", _path(name), headers=credentials(config))


def _build_list(config: GeminiConfig, token: str | None) -> HttpRequest:
    query = f"?pageSize={LARGEST_PAGE}" + (f"&pageToken={quote(token, safe='')}" if token else "")
    return json_request(config, "GET", f"files{query}", headers=credentials(config))


def _parse(body: bytes) -> RemoteFile:
    return _file(decoded_object(body))


def _parse_list(body: bytes) -> FilePage:
    page = decoded_object(body)
    found = tuple(_file(mapping(entry)) for entry in items(page.get("files")))
    return FilePage(found, text(page.get("nextPageToken")) or None)


def _file(entry: Mapping[str, Any]) -> RemoteFile:
    if not text(entry.get("name")) or not text(entry.get("uri")):
        raise ProtocolError("the provider described a file without a name or an address")
    size = text(entry.get("sizeBytes"))
    return RemoteFile(
        name=entry["name"],
        uri=entry["uri"],
        media_type=text(entry.get("mimeType")) or "application/octet-stream",
        state=text(entry.get("state")) or "ACTIVE",
        display_name=text(entry.get("displayName")) or None,
        size=int(size) if size.isdigit() else None,
        expires_at=time_of(entry.get("expirationTime")),
        problem=text(mapping(entry.get("error")).get("message")) or None,
        raw=dict(entry),
    )


GET_FILE: Operation[RemoteFile] = Operation(build=_build_get, parse=_parse, holds_error=True)
DELETE_FILE: Operation[None] = Operation(build=_build_delete, parse=lambda body: None)
FILE_PAGE: Operation[FilePage] = Operation(build=_build_list, parse=_parse_list)
