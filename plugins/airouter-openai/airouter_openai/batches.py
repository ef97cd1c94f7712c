"""Batches: ``/files`` for what goes in and comes out, ``/batches`` for what is done with it.

Source: OpenAI's published description of its API, ``POST /files``, ``POST /batches`` and below.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from airouter_core.dialects.chat_completions.batches import parse_batch, parse_batches
from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.values.batches import Batch
from airouter_core.wire.http import MEBIBYTE, HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_object, text

from .config import OpenAIConfig
from .wire import headers

MOST_AT_ONCE = 50_000
LARGEST = 200 * MEBIBYTE
"""Bytes of the file that goes in."""
WINDOW = "24h"


def lines_of(entries: Iterable[tuple[str, Mapping[str, Any]]], path: str) -> bytes:
    """The file of a batch.

    Raises:
        ParameterError: it is more than the vendor takes.
    """
    lines = [
        json.dumps({"custom_id": name, "method": "POST", "url": f"/v1/{path}", "body": body}, ensure_ascii=False)
        for name, body in entries
    ]
    data = "".join(f"{line}\n" for line in lines).encode()
    if len(lines) > MOST_AT_ONCE or len(data) > LARGEST:
        told = f"{len(lines)} requests of {len(data)} bytes"
        raise ParameterError(
            f"a batch has {MOST_AT_ONCE} requests and {LARGEST // MEBIBYTE} MiB at most, not {told}: make several"
        )
    return data


def _build_upload(config: OpenAIConfig, data: bytes) -> HttpRequest:
    mark = secrets.token_hex(16)
    purpose = f'--{mark}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="batch.jsonl"\r\n'
    body = f"{purpose}{head}Content-Type: application/jsonl\r\n\r\n".encode() + data + f"\r\n--{mark}--\r\n".encode()
    request = json_request(config, "POST", "files", headers=headers(config))
    kind = {"Content-Type": f"multipart/form-data; boundary={mark}"}
    return msgspec.structs.replace(request, headers={**request.headers, **kind}, body=body)


def _parse_upload(body: bytes) -> str:
    identity = text(decoded_object(body).get("id"))
    if not identity:
        raise ProtocolError("the provider took a file and gave it no id")
    return identity


def _build_create(config: OpenAIConfig, file: str, path: str, metadata: Mapping[str, str]) -> HttpRequest:
    body = {"input_file_id": file, "endpoint": f"/v1/{path}", "completion_window": WINDOW}
    return json_request(
        config, "POST", "batches", body | ({"metadata": dict(metadata)} if metadata else {}), headers=headers(config)
    )


def _build_get(config: OpenAIConfig, batch_id: str) -> HttpRequest:
    return json_request(config, "GET", f"batches/{_checked(batch_id)}", headers=headers(config))


def _build_cancel(config: OpenAIConfig, batch_id: str) -> HttpRequest:
    return json_request(config, "POST", f"batches/{_checked(batch_id)}/cancel", headers=headers(config))


MOST_LISTED = 100
"""Batches that one page of the list has."""


def _build_list(config: OpenAIConfig, limit: int) -> HttpRequest:
    return json_request(config, "GET", f"batches?limit={min(limit, MOST_LISTED)}", headers=headers(config))


def build_content(config: OpenAIConfig, file: str) -> HttpRequest:
    """Ask for the content of a file."""
    return json_request(config, "GET", f"files/{_checked(file)}/content", headers=headers(config))


def files_of(batch: Batch) -> list[str]:
    """The files of a batch that hold results. An id may be there and empty."""
    return [name for field in ("output_file_id", "error_file_id") if (name := text(batch.raw.get(field)))]


def _checked(identity: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", identity) or identity.strip(".") == "":
        raise ParameterError(f"{identity!r} is no id of a batch; list_batches() shows them")
    return identity


UPLOAD: Operation[str] = Operation(build=_build_upload, parse=_parse_upload)
CREATE_BATCH: Operation[Batch] = Operation(build=_build_create, parse=parse_batch, holds_error=True, once=True)
GET_BATCH: Operation[Batch] = Operation(build=_build_get, parse=parse_batch, holds_error=True)
CANCEL_BATCH: Operation[Batch] = Operation(build=_build_cancel, parse=parse_batch, holds_error=True)
LIST_BATCHES: Operation[list[Batch]] = Operation(build=_build_list, parse=parse_batches, holds_error=True)
