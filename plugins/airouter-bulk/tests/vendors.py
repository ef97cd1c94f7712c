"""The batch endpoints of three vendors, as their descriptions have them, with faults at each point of the way.

OpenAI: ``Batch``, ``BatchRequestInput`` and ``BatchRequestOutput`` of its published API description. Anthropic: its
page on batch processing. OpenRouter: its batch quickstart. All answer single calls too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from email.message import Message
from email.parser import BytesParser
from typing import Any, ClassVar

from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest

LOSE = "lose"
"""What a point may say: the connection breaks there."""


class Filed:
    """A batch that a vendor has."""

    def __init__(self, number: int, requests: dict[str, Any], looks: int, **more: Any) -> None:
        self.id = f"batch_{number}"
        self.number = number
        self.requests = requests
        self.looks = looks
        self.created = int(time.time())
        self.more = more
        self.status = "in_progress"
        self.fates: dict[str, str] = {}


class Vendor:
    """One vendor.

    Attributes:
        filed: the batches, in their order.
        calls: questions of single calls.
        at: called at each point (``upload``, ``create``, ``created``, ``list``, ``look``, ``results``); may say LOSE,
            or give an answer that is sent in place of the vendor's.
        fate: of a question in the n-th batch: ``succeeded``, ``errored``, ``expired``, ``canceled``, or ``missing``.
        ends: how the n-th batch ends, in the vendor's word.
        looks: how often a batch is looked at before it has ended.
    """

    provider: ClassVar[str]
    ends_well: ClassVar[str] = "completed"
    server: LoopbackServer

    def __init__(self) -> None:
        self.filed: list[Filed] = []
        self.calls: list[str] = []
        self.at: Callable[[str], Answer | str | None] = lambda point: None
        self.fate: Callable[[str, int], str] = lambda question, number: "succeeded"
        self.ends: Callable[[int], str] = lambda number: self.ends_well
        self.looks = 1
        self._lock = threading.Lock()

    @property
    def config(self) -> dict[str, Any]:
        """Settings of a provider."""
        return {"base_url": self.server.url, "api_key": "k", "max_retries": 0}

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        with self._lock:
            found = self._answer(request)
        if found is None:
            connection.reset()
        else:
            connection.answer(found)

    def _answer(self, request: ReceivedRequest) -> Answer | None:
        raise NotImplementedError

    def _point(self, name: str, answer: Callable[[], Any]) -> Answer | None:
        said = self.at(name)
        if said == LOSE:
            return None
        if isinstance(said, Answer):
            return said
        made = answer()
        return made if isinstance(made, Answer | None) else Answer.of_json(made)

    def _file(self, requests: dict[str, Any], **more: Any) -> Answer | None:
        def make() -> Any:
            filed = Filed(len(self.filed), requests, self.looks, **more)
            self.filed.append(filed)
            said = self.at("created")
            return None if said == LOSE else self._shown(filed)

        return self._point("create", make)

    def _looked(self, identity: str) -> Answer | None:
        filed = next((one for one in self.filed if one.id == identity), None)
        if filed is None:
            return Answer.of_json({"error": {"message": "no such batch", "type": "not_found_error"}}, status=404)

        def shown() -> Any:
            self._pass_time(filed)
            return self._shown(filed)

        return self._point("look", shown)

    def _listed(self, more: dict[str, Any]) -> Answer | None:
        def shown() -> Any:
            for filed in self.filed:
                self._pass_time(filed)
            return {"data": [self._shown(filed) | more for filed in reversed(self.filed)]}

        return self._point("list", shown)

    def _pass_time(self, filed: Filed) -> None:
        filed.looks -= 1
        if filed.looks < 0 and filed.status == "in_progress":
            filed.status = self.ends(filed.number)
            filed.fates = {name: self.fate(self._question(body), filed.number) for name, body in filed.requests.items()}

    def _shown(self, filed: Filed) -> Any:
        raise NotImplementedError

    def _question(self, body: Any) -> str:
        content = body["messages"][-1]["content"]
        return content if isinstance(content, str) else str(content[-1]["text"])

    def _count(self, filed: Filed, *fates: str) -> int:
        return sum(fate in fates for fate in filed.fates.values())

    def _lines(self, entries: list[Any]) -> Answer | None:
        lines = [json.dumps(entry).encode() + b"\n" for entry in entries]
        said = self.at("results")
        if isinstance(said, Answer):
            return said
        if said == LOSE:  # in the middle of them
            some = b"".join(lines[: len(lines) // 2])
            return Answer(200, {"content-type": "application/jsonl", "content-length": "99999"}, (some,), "close")
        return Answer(200, {"content-type": "application/jsonl"}, tuple(lines))


def said(text: str) -> dict[str, Any]:
    """A chat completion of 20 and 10 tokens."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    return {"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}


class _Chat(Vendor):
    def _called(self, request: ReceivedRequest) -> Answer:
        question = self._question(request.json)
        self.calls.append(question)
        return Answer.of_json(said(f"called {question}"))

    def _result(self, name: str, fate: str, body: Any) -> dict[str, Any]:
        entry: dict[str, Any] = {"id": f"r_{name}", "custom_id": name, "response": None, "error": None}
        if fate == "succeeded":
            answer = said(f"batched {self._question(body)}")
            return entry | {"response": {"status_code": 200, "request_id": "req_1", "body": answer}}
        if fate == "errored":
            refusal = {"error": {"message": "too odd", "type": "invalid_request_error", "code": None}}
            return entry | {"response": {"status_code": 400, "request_id": "req_2", "body": refusal}}
        code = {"expired": "batch_expired", "canceled": "batch_cancelled"}[fate]
        return entry | {"error": {"code": code, "message": "not in time"}}


class OpenAI(_Chat):
    """Files go in and come out."""

    provider = "openai"

    def __init__(self) -> None:
        super().__init__()
        self._files: list[dict[str, Any]] = []

    def _answer(self, request: ReceivedRequest) -> Answer | None:
        path = request.path.partition("?")[0]
        if path == "/chat/completions":
            return self._called(request)
        if path == "/files":
            return self._point("upload", lambda: self._uploaded(request))
        if path == "/batches" and request.method == "GET":
            return self._listed({})
        if path == "/batches":
            asked = request.json
            assert (asked["endpoint"], asked["completion_window"]) == ("/v1/chat/completions", "24h")
            requests = self._files[int(asked["input_file_id"].removeprefix("file-"))]
            return self._file(requests, metadata=asked["metadata"])
        if path.endswith("/cancel"):
            filed = next(one for one in self.filed if f"/{one.id}/" in path)
            filed.looks, self.ends = -1, lambda number: "cancelled"
            return Answer.of_json(self._shown(filed) | {"status": "cancelling"})
        if path.startswith("/files/"):
            return self._content(path.split("/")[2])
        return self._looked(path.removeprefix("/batches/"))

    def _uploaded(self, request: ReceivedRequest) -> Any:
        head = b"Content-Type: " + request.headers["content-type"].encode() + b"\r\n\r\n"
        form: Message = BytesParser().parsebytes(head + request.body)
        parts = {part.get_param("name", header="content-disposition"): part for part in form.get_payload()}  # type: ignore[union-attr]
        assert parts["purpose"].get_payload(decode=True) == b"batch"  # type: ignore[union-attr]
        lines = [json.loads(line) for line in parts["file"].get_payload(decode=True).splitlines()]  # type: ignore[union-attr]
        assert all(line["method"] == "POST" and line["url"] == "/v1/chat/completions" for line in lines)
        self._files.append({line["custom_id"]: line["body"] for line in lines})
        return {"id": f"file-{len(self._files) - 1}", "object": "file", "purpose": "batch"}

    def _shown(self, filed: Filed) -> Any:
        done, failed = self._count(filed, "succeeded"), self._count(filed, "errored")
        failing = filed.status == "failed"
        reasons = {"data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]}
        return {
            "id": filed.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "status": filed.status,
            "created_at": filed.created,
            "completion_window": "24h",
            "input_file_id": "file-0",
            # An id may be an empty text.
            "output_file_id": f"out-{filed.id}" if done and not failing else "",
            "error_file_id": f"err-{filed.id}" if len(filed.fates) > done and not failing else None,
            "errors": reasons if failing else None,
            "request_counts": {"total": len(filed.requests), "completed": 0 if failing else done, "failed": failed},
            "metadata": filed.more["metadata"],
        }

    def _content(self, name: str) -> Answer | None:
        kind, _, identity = name.partition("-")
        filed = next(one for one in self.filed if one.id == identity)
        fates = {"succeeded"} if kind == "out" else {"errored", "expired", "canceled"}
        given = [(key, fate) for key, fate in filed.fates.items() if fate in fates]
        return self._lines([self._result(key, fate, filed.requests[key]) for key, fate in reversed(given)])


class OpenRouter(_Chat):
    """All in one object; nothing of what did not end well."""

    provider = "openrouter"

    @property
    def config(self) -> dict[str, Any]:
        return {**super().config, "base_url": f"{self.server.url}/api/v1"}

    def _answer(self, request: ReceivedRequest) -> Answer | None:
        path = request.path.partition("?")[0]
        if path == "/api/v1/chat/completions":
            return self._called(request)
        assert path.startswith("/api/beta/batches")
        if path.endswith("batches") and request.method == "GET":
            return self._listed({"results": None})
        if request.method == "GET":
            return self._looked(path.rpartition("/")[2])
        asked = request.json
        assert list(asked) == ["endpoint", "model", "requests"]
        assert not any("model" in entry["body"] for entry in asked["requests"])
        return self._file({entry["custom_id"]: entry["body"] for entry in asked["requests"]})

    def _shown(self, filed: Filed) -> Any:
        whole = filed.status == "completed"
        results = [
            self._result(key, fate, filed.requests[key]) for key, fate in filed.fates.items() if fate != "missing"
        ]
        done, failed = self._count(filed, "succeeded"), self._count(filed, "errored")
        return {
            "id": filed.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "model": "m",
            "completion_window": "24h",
            "status": filed.status,
            "created_at": filed.created,
            "finalized_at": filed.created if filed.fates else None,
            "request_counts": {"total": len(filed.requests), "completed": done, "failed": failed},
            "usage": None,
            "results": results if whole else None,
            "error": {"message": "no such model"} if filed.status == "failed" else None,
        }


class Anthropic(Vendor):
    """Inline in, lines out."""

    provider = "claude"
    ends_well = "ended"

    def _answer(self, request: ReceivedRequest) -> Answer | None:
        path = request.path.partition("?")[0]
        if path == "/v1/messages":
            question = self._question(request.json)
            self.calls.append(question)
            return Answer.of_json(self._message(f"called {question}"))
        if path == "/v1/messages/batches" and request.method == "GET":
            return self._listed({})
        if path == "/v1/messages/batches":
            return self._file({entry["custom_id"]: entry["params"] for entry in request.json["requests"]})
        identity, _, what = path.removeprefix("/v1/messages/batches/").partition("/")
        if not what:
            return self._looked(identity)
        filed = next(one for one in self.filed if one.id == identity)
        given = [(key, fate) for key, fate in filed.fates.items() if fate != "missing"]
        return self._lines([self._result(key, fate, filed.requests[key]) for key, fate in given])

    def _message(self, text: str) -> Any:
        usage = {"input_tokens": 20, "output_tokens": 10}
        content = [{"type": "text", "text": text}]
        whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
        return {**whole, "content": content, "usage": usage}

    def _result(self, name: str, fate: str, body: Any) -> Any:
        told: dict[str, Any] = {"type": fate}
        if fate == "succeeded":
            told["message"] = self._message(f"batched {self._question(body)}")
        if fate == "errored":
            told["error"] = {"type": "error", "error": {"type": "invalid_request_error", "message": "too odd"}}
        return {"custom_id": name, "result": told}

    def _shown(self, filed: Filed) -> Any:
        names = ("succeeded", "errored", "canceled", "expired")
        counts = {name: self._count(filed, name) for name in names}
        ended = filed.status == "ended"
        return {
            "id": filed.id,
            "type": "message_batch",
            "processing_status": filed.status,
            "request_counts": {"processing": 0 if ended else len(filed.requests), **counts},
            "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(filed.created)),
            "results_url": "https://elsewhere.example/results" if ended else None,
        }


VENDORS: tuple[type[Vendor], ...] = (OpenAI, Anthropic, OpenRouter)
