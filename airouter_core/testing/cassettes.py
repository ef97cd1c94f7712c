"""Traffic with a real backend, recorded once with vcrpy, without secrets, and replayed end to end.

::

    with cassette("tests/cassettes/hello.yaml", record=True, secrets=(key,)):   # once, against the backend
        provider.execute(model, "Say hello.")
    with cassette("tests/cassettes/hello.yaml"):                                # in tests: no network
        provider.execute(model, "Say hello.")

A replayed cassette delivers a stream in one piece, so by itself it says nothing about streaming:
:func:`recordings_in` gives the same traffic as bytes, for parsers to be fed in pieces.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from ..errors import AirouterError
from .recordings import Recording, body_fields, recording_of

HIDDEN = "REDACTED"
SECRET_HEADERS = (
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "set-cookie",
)
"""Headers whose values are never written; so are those whose names speak of what is private."""
PRIVATE_NAME = re.compile(r"key|token|secret|cookie|organi[sz]ation|account|project|cf-ray", re.IGNORECASE)
COUNTING_NAME = re.compile(r"ratelimit", re.IGNORECASE)
"""Names that speak of tokens and mean how many there are."""
PATTERNS: Mapping[str, re.Pattern[str]] = {
    "key": re.compile(r"\b(?:sk|pk|rk|key|xai|gsk|hf)[-_][A-Za-z0-9_\-]{16,}"),
    "bearer": re.compile(r"(?<=Bearer )[A-Za-z0-9._~+/\-]{16,}=*"),
    "token": re.compile(r"\beyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]*"),
    "account": re.compile(r"\b(?:org|user|proj|acct|account)[-_][A-Za-z0-9]{10,}"),
    "mail": re.compile(r"[A-Za-z0-9._%+\-]+@[A-Za-z0-9.\-]+\.[A-Za-z]{2,}"),
}
"""What is replaced wherever it stands, in addresses and bodies too."""
STREAMS = ("event-stream", "ndjson", "eventstream")
"""What the content types of streams contain."""
KEPT_HEADERS = ("content-type", "retry-after", "x-request-id", "request-id")


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with the given secrets, and what looks like a key, an account or a mail address, replaced."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for pattern in PATTERNS.values():
        text = pattern.sub(HIDDEN, text)
    return text


@contextmanager
def cassette(path: str | os.PathLike[str], *, record: bool = False, secrets: Iterable[str] = ()) -> Iterator[Any]:
    """Replay the traffic of a file, or record it.

    Args:
        record: ask the network, and write the file anew; else whatever is not in the file is an error.
        secrets: values that must not be written, beside what is recognised as one.
    """
    import vcr  # type: ignore[import-untyped]  # vcrpy has no types

    hidden = tuple(secrets)
    recorder = vcr.VCR(
        record_mode="all" if record else "none",
        before_record_request=lambda request: _clean_request(request, hidden),
        before_record_response=lambda response: _clean_response(response, hidden),
        decode_compressed_response=True,
        match_on=("method", "scheme", "host", "port", "path", "query", "body"),
    )
    if record and os.path.exists(path):
        os.remove(path)
    with recorder.use_cassette(os.fspath(path)) as used:
        yield used


def recordings_in(path: str | os.PathLike[str]) -> list[Recording]:
    """The traffic of a cassette as recordings, without anything expected of it."""
    import yaml  # type: ignore[import-untyped,unused-ignore]  # its types are a distribution of their own

    with open(path, encoding="utf-8") as file:
        content = yaml.safe_load(file)
    name = os.path.splitext(os.path.basename(path))[0]
    interactions = content.get("interactions", ())
    return [recording_of(_described(item, f"{name}-{number}"), name) for number, item in enumerate(interactions)]


def _described(interaction: Mapping[str, Any], name: str) -> dict[str, Any]:
    request, response = interaction["request"], interaction["response"]
    headers = {key.lower(): values[0] for key, values in response["headers"].items()}
    body = response["body"].get("string") or b""
    return {
        "id": name,
        "stream": any(word in headers.get("content-type", "") for word in STREAMS),
        "request": {
            "method": request["method"],
            "path": urlsplit(request["uri"]).path,
            "headers": {},
            "json": _json_or_none(request.get("body")),
        },
        "response": {
            "status": response["status"]["code"],
            "headers": {key: value for key, value in headers.items() if key in KEPT_HEADERS},
            **body_fields(body if isinstance(body, bytes) else body.encode()),
        },
    }


def _clean_request(request: Any, secrets: tuple[str, ...]) -> Any:
    request.uri = without_secrets(request.uri, secrets)
    request.headers = _clean_headers(dict(request.headers), secrets)
    if isinstance(request.body, bytes):
        request.body = without_secrets(request.body.decode("utf-8", "surrogateescape"), secrets).encode(
            "utf-8", "surrogateescape"
        )
    return request


def _clean_response(response: dict[str, Any], secrets: tuple[str, ...]) -> dict[str, Any]:
    body = response["body"].get("string") or b""
    text = body.decode("utf-8", "surrogateescape") if isinstance(body, bytes) else body
    clean = without_secrets(text, secrets)
    if clean != text and any("\udc80" <= character <= "\udcff" for character in text):
        # Frames of bytes say how long they are, and have checksums: what is taken out would break them.
        raise AirouterError(
            "an answer that is no text holds what looks like a secret and cannot be kept; ask something else"
        )
    return {
        **response,
        "headers": _clean_headers(response["headers"], secrets),
        "body": {"string": clean.encode("utf-8", "surrogateescape")},
    }


def _clean_headers(headers: Mapping[str, Any], secrets: tuple[str, ...]) -> dict[str, Any]:
    return {name: _clean_header(name, value, secrets) for name, value in headers.items()}


def _clean_header(name: str, value: Any, secrets: tuple[str, ...]) -> Any:
    private = name.lower() in SECRET_HEADERS or (PRIVATE_NAME.search(name) and not COUNTING_NAME.search(name))
    if isinstance(value, list | tuple):
        return [HIDDEN if private else without_secrets(str(item), secrets) for item in value]
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return HIDDEN if private else without_secrets(text, secrets)


def _json_or_none(body: Any) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
