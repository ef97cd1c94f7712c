"""Making a model from files on this machine: what is sent, and where the files go.

Source: Ollama, api/types.go (``CreateRequest``) and server/create.go, fb307609.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.profile.resolving import ParameterTable, place, resolve
from airouter_core.values.kinds import checked
from airouter_core.values.value import Value
from airouter_core.wire.http import HttpRequest

from .config import OllamaConfig
from .options import OPTIONS
from .plugin import OLLAMA, PARAMETERS
from .wire import headers_of

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class LocalFile(Value, frozen=True):
    """A file to be sent: the name it gets, and what it holds."""

    path: str
    name: str
    size: int
    digest: str


def local_files(paths: Paths) -> list[LocalFile]:
    """Read the files once, to know their digests. Blocks.

    Raises:
        ParameterError: one cannot be read, or two have one name.
    """
    listed = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    files = [_local_file(os.fspath(path)) for path in listed]
    if len({file.name for file in files}) < len(files):
        raise ParameterError("two of the files have the same name; rename one")
    return files


def opened(file: LocalFile) -> BinaryIO:
    """The file, to be sent as it is read.

    Raises:
        ParameterError: it cannot be read any more.
    """
    try:
        return open(file.path, "rb")
    except OSError as error:
        raise _unreadable(file.path, error) from error


def upload(config: OllamaConfig, file: LocalFile, content: BinaryIO) -> HttpRequest:
    """``POST /api/blobs/<digest>``: the bytes of one file."""
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(file.size),
        **headers_of(config),
    }
    return HttpRequest("POST", config.url(f"api/blobs/{file.digest}"), headers, content)


def create_body(name: str, files: Sequence[LocalFile], **given: Any) -> dict[str, Any]:
    """The body of ``POST /api/create``.

    Raises:
        ParameterError: there is neither a file nor a model to start from.
    """
    if not files and not given.get("from"):
        raise ParameterError("create_model needs gguf_path, or from_model to start from")
    body: dict[str, Any] = {"model": name, "stream": True}
    if files:
        body["files"] = {file.name: file.digest for file in files}
    return {**body, **{field: value for field, value in given.items() if value is not None}}


def model_options(given: Mapping[str, Any] | None, table: ParameterTable) -> dict[str, Any] | None:
    """What a model is to be run with: canonical parameters by any spelling, and Ollama's own options.

    Raises:
        ParameterError: one is unknown, of the wrong type, or cannot be kept with a model.
    """
    own: dict[str, Any] = {}
    canonical: dict[str, Any] = {}
    for name, value in (given or {}).items():
        if name in OPTIONS:
            own[name] = _checked_option(name, value)
        else:
            canonical[name] = value
    rows = [row for row in PARAMETERS if row.field is None or row.field.startswith("options.")]
    kept = [msgspec.structs.replace(row, words={}) for row in rows]
    resolved = resolve(canonical, kept, provider=OLLAMA.name, table=table, unsupported="error")
    body: dict[str, Any] = {}
    place(body, resolved.values, resolved.rows)
    return {**body.get("options", {}), **own} or None


def _checked_option(name: str, value: Any) -> Any:
    try:
        accepted = checked(value, OPTIONS[name])
    except ValueError as error:
        raise ParameterError(f"ollama option {name} {error}") from error
    return list(accepted) if isinstance(accepted, tuple) else accepted


def _local_file(path: str) -> LocalFile:
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except OSError as error:
        raise _unreadable(path, error) from error
    return LocalFile(path, os.path.basename(path), size, f"sha256:{digest}")


def _unreadable(path: str, error: OSError) -> ParameterError:
    return ParameterError(f"cannot read {path!r}: {error.strerror or error}")
