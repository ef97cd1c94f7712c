"""The interface, as the kit checks it: with a Bedrock key, and with requests that are signed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from airouter_bedrock.errors import TYPE_HEADER
from airouter_bedrock.eventstream import EventMessage, EventStreamDecoder, decoded, encoded
from airouter_bedrock.plugin import BEDROCK
from airouter_core.testing.checks.schemas import Problems
from airouter_core.testing.conformance import ProviderConformance
from airouter_core.testing.frames import UNKNOWN
from airouter_core.testing.recordings import Recording
from airouter_core.testing.server import Answer, ReceivedRequest

SHARED = Path(__file__).parents[4] / "shared" / "recordings-more"
JSON_EVENT = {":content-type": "application/json", ":message-type": "event"}


class EventStreamFrames:
    """The service's binary frames, whose checksums are right whatever a check puts into them."""

    def split(self, body: bytes) -> list[bytes]:
        frames = []
        while body:
            length = int.from_bytes(body[:4], "big")
            frames.append(body[:length])
            body = body[length:]
        return frames

    def data(self, frame: bytes) -> bytes | None:
        return decoded(frame).payload or None

    def with_data(self, frame: bytes, data: bytes) -> bytes:
        return encoded(EventMessage(decoded(frame).headers, data))

    def unknown(self) -> bytes:
        return encoded(EventMessage({":event-type": UNKNOWN, **JSON_EVENT}, b'{"p": "abc"}'))

    def idle(self) -> bytes:
        return self.unknown()

    def begun(self) -> bytes:
        frame = bytearray(encoded(EventMessage({}, b"x" * (25 * 1024 * 1024))))
        return bytes(frame[:12])


@pytest.fixture(autouse=True)
def _nobody_else_knows_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What this machine is signed in to must not change a test, nor be asked for."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


def messages(body: bytes) -> Iterator[tuple[str, Any]]:
    """The events of a stream: name and content."""
    for message in EventStreamDecoder().feed(body):
        yield message.headers[":event-type"], json.loads(message.payload)


class Bedrock:
    """What is the same however a caller proves who it is."""

    info = BEDROCK
    recordings = SHARED if SHARED.is_dir() else None
    kinds = ("bedrock-converse",)
    model = "us.anthropic.claude-sonnet-4-6"
    frames = EventStreamFrames()
    parameter_values: ClassVar = {"max_tokens": 4000, "reasoning_budget": 1500, "service_tier": "flex"}

    def asks_for_stream(self, request: ReceivedRequest) -> bool:
        """Streams have an address of their own."""
        return request.path.endswith("/converse-stream")

    def body_of(self, recording: Recording) -> bytes | None:
        """The message that a stream of text, thoughts and calls adds up to."""
        blocks: dict[int, dict[str, Any]] = {}
        whole: dict[str, Any] = {}
        for name, event in messages(recording.body):
            index = event.get("contentBlockIndex", 0)
            if name == "contentBlockStart":
                blocks[index] = {"toolUse": {**event["start"].get("toolUse", {}), "input": ""}}
                if "toolUse" not in event["start"] or event["start"]["toolUse"].get("type") == "server_tool_use":
                    return None
            elif name == "contentBlockDelta":
                ((kind, delta),) = event["delta"].items()
                if kind == "text":
                    blocks.setdefault(index, {"text": ""})["text"] += delta
                elif kind == "toolUse":
                    blocks[index]["toolUse"]["input"] += delta["input"]
                else:
                    return None
            else:
                whole.update(event)
        for block in blocks.values():
            if "toolUse" in block:
                written = block["toolUse"]["input"] or "{}"
                block["toolUse"]["input"] = json.loads(written)
                if json.dumps(block["toolUse"]["input"], separators=(",", ":"), ensure_ascii=False) != written:
                    return None  # spelt by the model, which a body does not keep
        whole["output"] = {"message": {"role": "assistant", "content": [blocks[index] for index in sorted(blocks)]}}
        return json.dumps(whole, ensure_ascii=False).encode()

    def embeddings_answer(self, request: ReceivedRequest) -> Answer:
        """Titan takes one text in a request."""
        return Answer.of_json({"embedding": [float(len(request.json["inputText"])), 0.5]})

    def quota_answer(self) -> Answer:
        """A quota of the account, told by the exception's name."""
        name = "ServiceQuotaExceededException:http://internal.amazon.com/coral/"
        return Answer.of_json({"message": "kit: the quota is reached"}, status=400, headers={TYPE_HEADER: name})

    def error_body(self) -> Any:
        """An error in the service's form."""
        return {"message": "kit: it broke"}

    def error_event(self) -> bytes:
        """An exception inside a stream."""
        headers = {":exception-type": "internalServerException", ":message-type": "exception"}
        return encoded(EventMessage(headers, json.dumps(self.error_body()).encode()))

    def schema_problems(self) -> Problems:
        """The AWS SDK's own model of the request."""
        return sdk_problems


def sdk_problems(body: Any) -> Iterator[str]:
    """What the SDK's service model finds wrong with a body; base64 stands for bytes there."""
    session = pytest.importorskip("botocore.session", reason="botocore is not installed")
    validate = pytest.importorskip("botocore.validate")
    shape = session.get_session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape
    report = validate.ParamValidator().validate({"modelId": "m", **body}, shape)
    yield from filter(None, report.generate_report().splitlines())
    yield from unknown_members(body, shape, "")


def unknown_members(value: Any, shape: Any, where: str) -> Iterator[str]:
    """Members that the model does not know, values that are none of an enumeration, and more than one of a union."""
    match shape.type_name:
        case "structure" if not getattr(shape, "is_document_type", False):
            if shape.is_tagged_union and len(value) != 1:
                yield f"{where}: {sorted(value)} in a union"
            for name, item in value.items():
                if name in shape.members:
                    yield from unknown_members(item, shape.members[name], f"{where}.{name}")
                else:
                    yield f"{where}.{name} is unknown"
        case "list":
            for item in value:
                yield from unknown_members(item, shape.member, f"{where}[]")
        case "string" if shape.enum and value not in shape.enum:
            yield f"{where}: {value!r} is none of {shape.enum}"


class TestWithAKey(Bedrock, ProviderConformance):
    """With a Bedrock key, sent as a bearer token."""

    config: ClassVar = {"region": "us-east-1"}


class TestWithSignatures(Bedrock, ProviderConformance):
    """With an access key of AWS: each request is signed."""

    config: ClassVar = {"region": "us-east-1", "access_key_id": "AKIAKITEXAMPLE000000"}
    secrets = ("secret_access_key", "session_token")
