"""The vendors at their own addresses, without a network: a proxy that answers for them with the least that is valid."""

from __future__ import annotations

import importlib.util
import json
import re
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

if TYPE_CHECKING:
    import trustme

ROOT = Path(__file__).parents[2]
HOSTS = {
    "api.openai.com": "/openai",
    "api.anthropic.com": "/anthropic",
    "bedrock-runtime.us-east-1.amazonaws.com": "/bedrock",
    "bedrock.us-east-1.amazonaws.com": "/bedrock",
    "api.cohere.com": "/cohere",
    "generativelanguage.googleapis.com": "/gemini",
    "openrouter.ai": "/openrouter",
}
"""Whom the proxy answers for, and how the stand-in of airouter-compat calls their paths."""


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"_{path.parent.parent.name.replace('-', '_')}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


stand_in = _module(ROOT / "plugins" / "airouter-compat" / "tests" / "conftest.py")

more_vendors = _module(Path(__file__).parent / "more_vendors.py")


class Vendors(stand_in.Vendors):  # type: ignore[misc, name-defined]  # loaded by its path
    """What the stand-in answers, with what only the documentation asks for; a proxy for the vendors' own addresses."""

    prefix = ""
    streams: ClassVar = {
        **stand_in.Vendors.streams,
        "/api/create": ("application/x-ndjson", '{"status": "creating"}\n{"status": "success"}\n'),
    }

    def do_CONNECT(self) -> None:
        """Be the host that is asked for, with a certificate that the program under test trusts."""
        host = self.path.partition(":")[0]
        self.prefix = HOSTS.get(host, f"/{host}")
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        if self.connection is not self.request:  # the server closes only what it has opened
            self.connection.close()

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.end_headers()

    def do_DELETE(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        if self.path.startswith("/api/blobs/"):
            self.rfile.read(int(self.headers["content-length"]))
            self._send(201, {})
        elif "upload_id=" in self.path:
            self.rfile.read(int(self.headers["content-length"]))
            self._answer(None)
        else:
            super().do_POST()

    def _answer(self, asked: Any) -> None:
        self.path = self.prefix + self.path
        path = self.path.partition("?")[0]
        if (given := more_vendors.answer_to(self.command, self.path, asked, _filled)) is not None:
            self.server.asked.append((path, asked))
            self._send_bytes(given.kind, given.data, given.headers)
            return
        if path.endswith("/converse-stream"):
            self.server.asked.append((path, asked))
            self._send_bytes("application/vnd.amazon.eventstream", _converse_stream())
            return
        path = MODEL_OF_BEDROCK.sub("/bedrock/model/any/", path)
        if (answer := ANSWERS.get(path)) is None or (asked or {}).get("stream"):
            super()._answer(asked)
            return
        self.server.asked.append((path, asked))
        self._send(200, answer(asked or {}))

    def _send_bytes(self, kind: str, data: bytes, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send(self, status: int, value: Any) -> None:
        if status >= 400:
            self.server.refused.append(f"{self.command} {self.path}")
        super()._send(status, value)


class StandIn(stand_in.StandIn):  # type: ignore[misc, name-defined]  # as above
    """The server, what it was asked, and what it had no answer for."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(0)
        self.RequestHandlerClass = Vendors
        self.tls = tls
        self.refused: list[str] = []


def _filled(schema: Mapping[str, Any]) -> Any:
    """The least that fits a schema."""
    if "anyOf" in schema:
        return _filled(schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            return {name: _filled(inner) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return []
        case "number" | "integer":
            return 1
        case "boolean":
            return True
        case "null":
            return None
    return "something"


def _response(asked: Mapping[str, Any]) -> Any:
    wanted = asked.get("text", {}).get("format", {}).get("schema")
    whole = stand_in.Vendors.whole["/openai/v1/responses"]
    if wanted is None:
        return whole
    schema = {**wanted, **wanted.get("$defs", {}).get(wanted.get("$ref", "").rpartition("/")[2], {})}
    (item,) = whole["output"]
    content = [{"type": "output_text", "text": json.dumps(_filled(schema)), "annotations": []}]
    return {**whole, "output": [{**item, "content": content}]}


def _vectors(asked: Mapping[str, Any]) -> Any:
    inputs = asked["input"] if isinstance(asked["input"], list) else [asked["input"]]
    vectors = [{"index": index, "embedding": [0.5, 0.25]} for index, _ in enumerate(inputs)]
    return {"object": "list", "data": vectors, "model": asked["model"]}


def _routed(asked: Mapping[str, Any]) -> Any:
    whole = stand_in.Vendors.whole["/openrouter/api/v1/chat/completions"]
    return {**whole, "model": asked["model"], "usage": {**whole["usage"], "cost": 0.0001}}


def _listed() -> Any:
    models = [
        {
            "id": name,
            "name": name,
            "description": "Good at coding.",
            "context_length": 1_000_000,
            "pricing": {"prompt": price, "completion": price},
            "supported_parameters": ["tools", "max_tokens"],
        }
        for name, price in (
            ("openai/gpt-4.1-mini", "0.0000004"),
            ("anthropic/claude-sonnet-4", "0.0000009"),
            ("deepseek/deepseek-r1", "0.0000005"),
        )
    ]
    return {"data": models}


MODEL_OF_BEDROCK = re.compile(r"^/bedrock/model/[^/]+/")


def _conversed(asked: Mapping[str, Any]) -> Any:
    wanted = asked.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema")
    said = "something" if wanted is None else json.dumps(_filled(json.loads(wanted["schema"])))
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": said}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
    }


def _converse_stream() -> bytes:
    from airouter_bedrock.eventstream import EventMessage, encoded

    events = (
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "something"}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}}),
    )
    headers = {":message-type": "event"}
    return b"".join(
        encoded(EventMessage({**headers, ":event-type": name}, json.dumps(content).encode()))
        for name, content in events
    )


_BATCH = {"id": "msgbatch_1", "type": "message_batch", "processing_status": "ended", "request_counts": {"succeeded": 1}}
_RESULT = {
    "custom_id": "first",
    "result": {"type": "succeeded", "message": stand_in.Vendors.whole["/anthropic/v1/messages"]},
}
_PICTURE = {"created": 1, "data": [{"b64_json": stand_in.PICTURE}]}

ANSWERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "/openai/v1/responses": _response,
    "/openai/v1/responses/input_tokens": lambda asked: {"object": "response.input_tokens", "input_tokens": 3},
    "/openai/v1/embeddings": _vectors,
    "/openrouter/api/v1/models": lambda asked: _listed(),
    "/openrouter/api/v1/chat/completions": _routed,
    "/openrouter/api/v1/embeddings": _vectors,
    "/openrouter/api/v1/images": lambda asked: _PICTURE,
    "/anthropic/v1/messages/batches": lambda asked: _BATCH,
    "/anthropic/v1/messages/batches/msgbatch_1": lambda asked: _BATCH,
    "/anthropic/v1/messages/batches/msgbatch_1/results": lambda asked: _RESULT,
    "/bedrock/model/any/converse": _conversed,
    "/bedrock/model/any/invoke": lambda asked: {"embedding": [0.5, 0.25]},
    "/bedrock/model/any/count-tokens": lambda asked: {"inputTokens": 3},
    "/bedrock/foundation-models": lambda asked: {"modelSummaries": [{"modelId": "amazon.nova-lite-v1:0"}]},
    "/bedrock/inference-profiles": lambda asked: {},
    "/api/copy": lambda asked: {},
    "/api/delete": lambda asked: {},
}


@pytest.fixture(scope="session")
def load() -> Callable[[Path], ModuleType]:
    """Makes a module of a file that is in no package."""
    return _module


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Who vouches for the proxy's certificates."""
    trustme = pytest.importorskip("trustme", reason="speaks TLS as the vendors do: pip install trustme")
    made: trustme.CA = trustme.CA()
    return made


@pytest.fixture
def vendors(authority: trustme.CA) -> Iterator[StandIn]:
    """OpenAI, Claude, Amazon Bedrock, Gemini, Cohere, OpenRouter and Ollama."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*HOSTS).configure_cert(tls)
    with StandIn(tls) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
