"""What is sent, as exact bodies, and as the AWS SDK sends the same content."""

from __future__ import annotations

import base64
import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from airouter_bedrock.config import BedrockConfig
from airouter_bedrock.plugin import BEDROCK
from airouter_bedrock.profile import family_of
from airouter_bedrock.provider import BedrockProvider
from airouter_core.errors import BadRequestError, ParameterError, UnsupportedFeatureError
from airouter_core.provider.asking import ask_of
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.messages import (
    FilePart,
    Message,
    ProviderPart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.tools import Tool

pytestmark = pytest.mark.filterwarnings("ignore::airouter_core.errors.UnsupportedParameterWarning")

CONFIG: Mapping[str, Any] = {"api_key": "bedrock-key", "region": "us-east-1"}
CLAUDE, OLD, NOVA, GPT = (
    "us.anthropic.claude-sonnet-4-6",
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "us.amazon.nova-2-lite-v1:0",
    "openai.gpt-oss-120b-1:0",
)
PNG = b"\x89PNG\r\n\x1a\n"
LOOK = Tool("look", "Look there.", {"type": "object", "properties": {"at": {"type": "string"}}})


def built(model: str = CLAUDE, messages: Any = "hi", *, settings: Mapping[str, Any] = CONFIG, **more: Any) -> Any:
    """The body of a call, and what the caller is told."""
    provider = BedrockProvider(BedrockConfig(**settings), BEDROCK)
    prepared = provider.prepare(ask_of(model, messages, **more))
    provider.warn(prepared.cautions)
    request, known = prepared.request, prepared.known
    sent = provider.wire.build_request(request, provider.config, stream=False)
    told = (*known["warnings"], *provider.wire.notes(request, provider.config))
    return json.loads(sent.body or b""), told


def body(*given: Any, **more: Any) -> Any:
    return built(*given, **more)[0]


def test_a_whole_conversation() -> None:
    """Each thing that a call can hold stands where the service looks for it."""
    sent, told = built(
        OLD,
        [
            Message.system("Be brief."),
            Message.user(
                FilePart.from_data(PNG), FilePart("application/pdf", b"%PDF", name="a b.pdf"), TextPart("See.")
            ),
            Message.assistant(
                ReasoningPart("hm", {"bedrock": {"signature": "signed"}}), ToolCallPart("a", "look", '{"at": "sky"}')
            ),
            Message("tool", (ToolResultPart("a", "blue"),)),
            Message("tool", (ToolResultPart("b", (TextPart("no"),), is_error=True),)),
            Message.user("And now?"),
        ],
        tools=[LOOK],
        tool_choice="required",
        parameters={"max_tokens": 100, "stop": ["END"], "temperature": 0, "service_tier": "flex"},
        provider_options={"bedrock": {"requestMetadata": {"team": "a"}}},
    )
    assert told == ()
    assert sent == {
        "system": [{"text": "Be brief."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"image": {"format": "png", "source": {"bytes": base64.b64encode(PNG).decode()}}},
                    {"document": {"name": "a b", "format": "pdf", "source": {"bytes": "JVBERg=="}}},
                    {"text": "See."},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "signed"}}},
                    {"toolUse": {"toolUseId": "a", "name": "look", "input": {"at": "sky"}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "a", "content": [{"text": "blue"}]}},
                    {"toolResult": {"toolUseId": "b", "content": [{"text": "no"}], "status": "error"}},
                    {"text": "And now?"},
                ],
            },
        ],
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "look",
                        "description": "Look there.",
                        "inputSchema": {"json": {"type": "object", "properties": {"at": {"type": "string"}}}},
                    }
                }
            ],
            "toolChoice": {"any": {}},
        },
        "inferenceConfig": {"maxTokens": 100, "stopSequences": ["END"], "temperature": 0},
        "serviceTier": {"type": "flex"},
        "requestMetadata": {"team": "a"},
    }


FIELDS = "additionalModelRequestFields"


@pytest.mark.parametrize(
    ("model", "parameters", "expected"),
    [
        (CLAUDE, {"reasoning_effort": "low"}, {"output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}}),
        (
            CLAUDE,
            {"reasoning_effort": "minimal"},
            {"output_config": {"effort": "low"}, "thinking": {"type": "adaptive"}},
        ),
        (CLAUDE, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (CLAUDE, {"reasoning_budget": 2000}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (OLD, {"reasoning_budget": 2000}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (OLD, {"reasoning_effort": "low"}, None),
        ("anthropic.claude-3-5-haiku-20241022-v1:0", {"reasoning_budget": 2000}, None),
        (OLD, {"top_k": 5}, {"top_k": 5}),
        ("anthropic.claude-opus-5", {"top_k": 5}, None),
        (NOVA, {"reasoning_effort": "high"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
        (NOVA, {"reasoning_effort": "xhigh"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
        (NOVA, {"reasoning_effort": "none"}, {"reasoningConfig": {"type": "disabled"}}),
        (NOVA, {"top_k": 5}, {"inferenceConfig": {"topK": 5}}),
        ("amazon.nova-lite-v1:0", {"reasoning_effort": "high"}, None),
        (GPT, {"reasoning_effort": "high"}, {"reasoning_effort": "high"}),
        ("mistral.mistral-large-2407-v1:0", {"top_k": 5}, {"top_k": 5}),
        ("cohere.command-r-v1:0", {"top_k": 5}, {"k": 5}),
        ("meta.llama3-1-8b-instruct-v1:0", {"top_k": 5, "reasoning_effort": "low", "reasoning_budget": 2000}, None),
    ],
)
def test_what_only_some_models_take(model: str, parameters: Mapping[str, Any], expected: Any) -> None:
    """Fields of a maker's own go to its models in its words, and to others not at all, which is told."""
    sent, told = built(model, parameters=parameters)
    assert sent.get(FIELDS) == expected
    assert len(told) == (0 if expected else len(parameters))


@pytest.mark.parametrize(
    "model", ["arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.amazon.nova-2-lite-v1:0", NOVA, NOVA[3:]]
)
def test_a_model_by_any_name(model: str) -> None:
    """Ids, inference profiles and ARNs that name a model are of that model's family."""
    assert family_of(model) is family_of(NOVA)
    assert family_of("arn:aws:bedrock:us-east-1:000000000000:application-inference-profile/1arbu5hu2sjr") is family_of(
        "x"
    )


def test_a_model_that_thinks_takes_no_other_sampling() -> None:
    """With a budget for thinking, temperature and top_k are left out and told; newer Claude models never take them."""
    sent, told = built(OLD, parameters={"reasoning_budget": 2000, "temperature": 0.2, "top_k": 5})
    assert "inferenceConfig" not in sent
    assert len([note for note in told if "to think takes none" in note]) == 2
    sent, told = built(CLAUDE, parameters={"reasoning_effort": "low", "temperature": 0.2})
    assert "inferenceConfig" not in sent
    assert len(told) == 1
    assert body(CLAUDE, parameters={"reasoning_effort": "none", "temperature": 0.2})["inferenceConfig"]
    assert body(OLD, parameters={"reasoning_budget": 2000, "temperature": 1})["inferenceConfig"] == {"temperature": 1}
    with pytest.raises(ParameterError, match="at most 1999"):
        body(OLD, parameters={"reasoning_budget": 2000, "max_tokens": 2000})
    sent, told = built("anthropic.claude-opus-5", parameters={"temperature": 0.2, "top_p": 0.5})
    assert "inferenceConfig" not in sent
    assert len(told) == 2


def test_no_tool_is_to_be_called() -> None:
    """tool_choice "none" leaves the tools out; where the history holds calls they stay, which is told."""
    sent, told = built(tools=[LOOK], tool_choice="none")
    assert "toolConfig" not in sent
    assert told == ()
    history = [
        Message.user("?"),
        Message.assistant(ToolCallPart("a", "look")),
        Message.tool("a", "x"),
        Message.user("!"),
    ]
    sent, told = built(messages=history, tools=[LOOK], tool_choice="none")
    assert sent["toolConfig"].keys() == {"tools"}
    assert any('tool_choice "none" was not sent' in note for note in told)
    sent, told = built(messages=history)
    assert [tool["toolSpec"]["name"] for tool in sent["toolConfig"]["tools"]] == ["look"]
    assert any("declared without their schemas" in note for note in told)


def test_one_tool_must_be_called() -> None:
    """A tool that is named is named in the service's words."""
    sent = body(tools=[LOOK], tool_choice={"type": "function", "function": {"name": "look"}})
    assert sent["toolConfig"]["toolChoice"] == {"tool": {"name": "look"}}
    assert body(tools=[LOOK], tool_choice="auto")["toolConfig"]["toolChoice"] == {"auto": {}}


def test_tools_of_the_service_stand_beside_the_callers() -> None:
    """Tools in provider_options are added, not put in the place of those of the call."""
    own = {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}
    sent = body(NOVA, tools=[LOOK], provider_options={"bedrock": own})
    assert [next(iter(tool)) for tool in sent["toolConfig"]["tools"]] == ["toolSpec", "systemTool"]
    assert body(NOVA, provider_options={"bedrock": own})["toolConfig"] == own["toolConfig"]


def test_a_schema_is_sent_as_text() -> None:
    """A JSON Schema binds the answer; it stands in the body as a string, with its name."""
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "title": "Thing"}
    wanted = body(response_format=schema)["outputConfig"]["textFormat"]
    described = wanted["structure"]["jsonSchema"]
    assert (wanted["type"], described["name"]) == ("json_schema", "Thing")
    assert json.loads(described["schema"]) == schema
    sent, told = built(response_format="json")
    assert "JSON object" in sent["system"][0]["text"]
    assert any("emulated" in note for note in told)


def test_what_follows_from_one_side_is_one_turn() -> None:
    """The two sides must alternate; nothing that either said is lost for it."""
    said = [Message.user("a"), Message.user("b"), Message.assistant("c"), Message.assistant("d"), Message.user("e")]
    turns = body(messages=said)["messages"]
    assert [(turn["role"], [block["text"] for block in turn["content"]]) for turn in turns] == [
        ("user", ["a", "b"]),
        ("assistant", ["c", "d"]),
        ("user", ["e"]),
    ]


def test_blank_texts_are_left_out() -> None:
    """The service refuses blank texts: they are left out, and a user who says nothing is told so."""
    assert len(body(messages=[Message.user("a"), Message.assistant(" "), Message.user("b")])["messages"]) == 1
    with pytest.raises(ParameterError, match="empty"):
        body(messages=[Message.user(" ")])
    with pytest.raises(ParameterError, match="beside the system prompt"):
        body(messages=[Message.system("a")])


def test_documents() -> None:
    """Names have the characters that the service takes, differ, and are told where they are changed."""
    files = [FilePart("text/plain", b"x", name=name) for name in ("Q3_report.final.txt", "notes.md", "notes.txt", None)]
    sent, told = built(messages=[Message.user(*files, "?")])
    names = [block["document"]["name"] for block in sent["messages"][0]["content"][:-1]]
    assert names == ["Q3 report final", "notes", "notes (2)", "document"]
    assert [note for note in told if "Q3_report" in note]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (FilePart("image/jpg", b"\xff\xd8\xff"), {"image": {"format": "jpeg", "source": {"bytes": "/9j/"}}}),
        (
            FilePart("image/*", url="s3://b/a.webp"),
            {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://b/a.webp"}}}},
        ),
        (
            FilePart("video/mp4", url="s3://b/a"),
            {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/a"}}}},
        ),
        (FilePart("audio/mpeg", b"ID3"), {"audio": {"format": "mp3", "source": {"bytes": "SUQz"}}}),
        (
            FilePart("text/x-python", b"x", name="a", provider_metadata={"bedrock": {"citations": {"enabled": True}}}),
            {"document": {"name": "a", "format": "txt", "source": {"bytes": "eA=="}, "citations": {"enabled": True}}},
        ),
    ],
    ids=lambda one: one.media_type if isinstance(one, FilePart) else "",
)
def test_files(file: FilePart, expected: Any) -> None:
    """Pictures, documents, sound and video go by their bytes, or by an address in S3."""
    assert body(messages=[Message.user(file, "?")])["messages"][0]["content"][0] == expected


@pytest.mark.parametrize(
    "file",
    [
        FilePart("image/png", url="https://example.com/a.png"),
        FilePart("image/bmp", b"BM"),
        FilePart("application/zip", b"PK"),
    ],
)
def test_files_that_are_not_read(file: FilePart) -> None:
    """Addresses other than in S3, and formats that the service does not know, are refused before anything is sent."""
    with pytest.raises(UnsupportedFeatureError, match="bedrock"):
        body(messages=[Message.user(file, "?")])


def test_thoughts_without_a_signature_are_not_sent() -> None:
    """Another model's thoughts are left out and told; hidden ones of this service go back."""
    said = Message.assistant(ReasoningPart("hm"), ReasoningPart("", {"bedrock": {"redactedContent": "eA=="}}), "So.")
    sent, told = built(messages=[Message.user("?"), said, Message.user("!")])
    assert sent["messages"][1]["content"] == [{"reasoningContent": {"redactedContent": "eA=="}}, {"text": "So."}]
    assert any("bear no signature" in note for note in told)


def test_arguments_that_are_no_object() -> None:
    """Arguments that the model wrote badly are sent wrapped, which is told."""
    call = ToolCallPart("a", "look", "{broken")
    sent, told = built(messages=[Message.user("?"), Message.assistant(call), Message.tool("a", "x")], tools=[LOOK])
    assert sent["messages"][1]["content"][0]["toolUse"]["input"] == {"INVALID_JSON": "{broken"}
    assert any("no JSON object" in note for note in told)


def test_a_conversation_begins_with_the_user() -> None:
    """Where it began with the assistant, a turn of the user is put before it, and that is told."""
    sent, notes = built(messages=[Message.assistant("Hello!"), Message.user("hi")])
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
    assert any("was put before" in note for note in notes)
    assert not any("was put before" in note for note in built(messages=[Message.system("s"), Message.user("hi")])[1])


def test_ids_of_other_providers() -> None:
    """Ids have the characters and the length that the service takes; long ones stay apart, and results find them."""
    ids = ["call|1", "x" * 70, "x" * 71]
    calls = [ToolCallPart(one, "look") for one in ids]
    results = tuple(ToolResultPart(one, "ok") for one in ids)
    sent = body(messages=[Message.user("?"), Message.assistant(*calls), Message("tool", results)], tools=[LOOK])
    used = [block["toolUse"]["toolUseId"] for block in sent["messages"][1]["content"]]
    assert used == [block["toolResult"]["toolUseId"] for block in sent["messages"][2]["content"]]
    assert len(set(used)) == 3
    assert used[0] == "call_1"
    assert all(len(one) <= 64 for one in used)


MARK = {"type": "ephemeral", "ttl": "1h"}


def test_marks_of_message_dicts_become_cache_points() -> None:
    """cache_control, as message dicts have it, is a point behind what bears it; one of another kind is told."""
    said = [
        {"role": "system", "content": [{"type": "text", "text": "Be brief.", "cache_control": MARK}]},
        {"role": "user", "content": "hi", "cache_control": {"type": "ephemeral"}},
    ]
    sent, told = built(messages=said)
    assert sent["system"] == [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert sent["messages"][0]["content"] == [{"text": "hi"}, {"cachePoint": {"type": "default"}}]
    assert told == ()
    sent, told = built(messages=[{"role": "user", "content": "hi", "cache_control": {"type": "for ever"}}])
    assert sent["messages"][0]["content"] == [{"text": "hi"}]
    assert any("cache_control" in note for note in told)


def points(sent: Mapping[str, Any]) -> list[str]:
    """Where there are cache points: the word before each."""
    places: Sequence[Any] = [*sent.get("toolConfig", {}).get("tools", []), *sent.get("system", [])]
    blocks = [*places, *(block for turn in sent["messages"] for block in turn["content"])]
    return [str(before) for before, block in itertools.pairwise(blocks) if "cachePoint" in block]


def test_the_stable_prefix_is_cached() -> None:
    """cache_prompt marks the end of what never changes and of the history; the caller's own points go before it."""
    said = [Message.system("S"), Message.user("a"), Message.assistant("b"), Message.user("c")]
    settings = {**CONFIG, "cache_prompt": True}
    assert points(body(messages=said, settings=settings)) == ["{'text': 'S'}", "{'text': 'b'}"]
    option = {"bedrock": {"cache_prompt": True, "cache_ttl": "1h"}}
    sent = body(messages="hi", tools=[LOOK], provider_options=option)
    assert sent["toolConfig"]["tools"][-1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    own = Message.user("a", ProviderPart("bedrock", {"cachePoint": {"type": "default"}}), "b")
    assert points(body(messages=[Message.system("S"), own], settings=settings)) == ["{'text': 'a'}"]


def test_guardrails() -> None:
    """The configured guardrail is in every call; a call may add to it, and say which of its contents are guarded."""
    guardrail = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    settings = {**CONFIG, "guardrail": guardrail}
    said = [Message.user(ProviderPart("bedrock", {"guardContent": {"text": {"text": "check me"}}}), "hi")]
    sent = body(
        messages=said, settings=settings, provider_options={"bedrock": {"guardrailConfig": {"trace": "enabled"}}}
    )
    assert sent["guardrailConfig"] == {**guardrail, "trace": "enabled"}
    assert sent["messages"][0]["content"][0] == {"guardContent": {"text": {"text": "check me"}}}


# The AWS SDK, given the same content.


def with_bytes(value: Any, name: str = "") -> Any:
    """A body as the SDK takes it: bytes in place of base64."""
    if isinstance(value, dict):
        return {key: with_bytes(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [with_bytes(item) for item in value]
    return base64.b64decode(value) if name in ("bytes", "redactedContent") else value


@pytest.mark.parametrize("model", [CLAUDE, OLD, "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.a.b-v1:0"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_sdk_sends_the_same(model: str, stream: bool) -> None:
    """boto3, given the content of our body, sends the same JSON to the same address."""
    boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
    said = [
        Message.system("Be brief."),
        Message.user(
            FilePart.from_data(PNG), FilePart("application/pdf", b"%PDF", name="Grüße.pdf"), TextPart("Sieh: 👋")
        ),
        Message.assistant(
            ReasoningPart("", {"bedrock": {"redactedContent": "eA=="}}), ToolCallPart("a", "look", '{"at": 1.5}')
        ),
        Message("tool", (ToolResultPart("a", "blue", is_error=True),)),
    ]
    more: dict[str, Any] = {
        "tools": [LOOK],
        "tool_choice": "auto",
        "response_format": {"type": "object", "properties": {"ä": {"type": "string"}}},
        "parameters": {"max_tokens": 2000, "temperature": 1, "stop": ["\n"], "reasoning_budget": 1024},
        "provider_options": {"bedrock": {"performanceConfig": {"latency": "optimized"}, "cache_prompt": True}},
    }
    with LoopbackServer(
        lambda request, connection: connection.answer(Answer.of_json({"message": "no"}, status=400))
    ) as server:
        settings = BedrockConfig(**CONFIG, base_url=server.url, max_retries=0)
        with BedrockProvider(settings, BEDROCK) as provider:
            ask = functools.partial(provider.stream_chat if stream else provider.chat, model, said, **more)
            with pytest.raises(BadRequestError, match="no"):
                list(ask())
        ours = server.requests[-1]
        client = boto3.client(
            "bedrock-runtime",
            endpoint_url=server.url,
            region_name="us-east-1",
            aws_access_key_id="AKIDEXAMPLE",
            aws_secret_access_key="secret",
        )
        call = client.converse_stream if stream else client.converse
        with pytest.raises(Exception, match="no"):
            call(modelId=model, **with_bytes(ours.json))
        client.close()
        theirs = server.requests[-1]
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    assert ours.json == theirs.json
    assert ours.headers["content-type"] == theirs.headers["content-type"]


def test_blanks_that_claude_refuses() -> None:
    """At the end of an answer to go on with, and as a stop: not sent to Claude, with a note; others take them."""
    messages = [Message.user("hi"), Message.assistant("so \n")]
    sent, warnings = built(messages=messages, parameters={"stop": ["\n", "x"]})
    assert sent["messages"][-1]["content"] == [{"text": "so"}]
    assert sent["inferenceConfig"]["stopSequences"] == ["x"]
    assert len([told for told in warnings if "blank" in told]) == 2
    sent = body("amazon.nova-pro-v1:0", messages, parameters={"stop": ["\n", "x"]})
    assert sent["messages"][-1]["content"] == [{"text": "so \n"}]
    assert sent["inferenceConfig"]["stopSequences"] == ["\n", "x"]


def test_calls_of_one_id_get_ids_of_their_own() -> None:
    """The service refuses a conversation in which an id stands twice; each result finds its call, long ids too."""

    def turn(identity: str, *cities: str) -> list[Message]:
        calls = [ToolCallPart(identity, "look", json.dumps({"at": city})) for city in cities]
        return [Message.assistant(*calls), Message("tool", tuple(ToolResultPart(identity, city) for city in cities))]

    long = "x" * 64
    history = [Message.user("hi"), *turn("call_0", "a"), *turn("call_0", "b", "c"), *turn(long, "d"), *turn(long, "e")]
    sent, told = built(CLAUDE, [*history, Message.user("so?")], tools=[LOOK])
    blocks = [block for turn in sent["messages"] for block in turn["content"]]
    calls = {block["toolUse"]["toolUseId"]: block["toolUse"]["input"]["at"] for block in blocks if "toolUse" in block}
    results = [block["toolResult"] for block in blocks if "toolResult" in block]
    assert calls == {result["toolUseId"]: result["content"][0]["text"] for result in results}
    assert len(calls) == 5
    assert all(len(identity) <= 64 for identity in calls)
    assert any("more than once" in note for note in told)
    assert not any("more than once" in note for note in built(CLAUDE, history[:3], tools=[LOOK])[1])


def test_alternatives_at_the_root_of_a_tool_are_one_object() -> None:
    """Claude here too takes no others; what goes together is told in words."""
    schema = {"anyOf": [{"properties": {"at": {}}, "required": ["at"]}, {"properties": {"near": {}}}]}
    made = body(tools=[Tool("look", "Look.", schema)])["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]
    assert (made["type"], sorted(made["properties"]), "anyOf" in made) == ("object", ["at", "near"], False)
