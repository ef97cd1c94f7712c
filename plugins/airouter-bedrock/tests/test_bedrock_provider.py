"""The provider against a server on the loopback: tools over several rounds, credentials, models, counts, embeddings."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from airouter_bedrock.config import BedrockConfig
from airouter_bedrock.eventstream import EventMessage, encoded
from airouter_bedrock.plugin import BEDROCK
from airouter_bedrock.provider import BedrockProvider
from airouter_core.config.loading import load_config
from airouter_core.errors import (
    ConfigurationError,
    MissingApiKeyError,
    ParameterError,
    ProtocolError,
    RateLimitedError,
)
from airouter_core.plugins.factory import validate_provider_config
from airouter_core.testing.halves import AWAITED, BLOCKING, Half
from airouter_core.testing.recordings import load_recordings
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.messages import Message, ReasoningPart
from airouter_core.values.tokens import estimate_tokens

SHARED = Path(__file__).parents[4] / "shared" / "recordings-more"
MODEL = "us.anthropic.claude-sonnet-4-6"
Answers = Callable[[ReceivedRequest], Any]

each_half = pytest.mark.parametrize("half", [BLOCKING, AWAITED], ids=lambda half: half.name)


def serving(answer: Answers) -> LoopbackServer:
    """Answers each request with JSON, or with an Answer."""

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        made = answer(request)
        connection.answer(made if isinstance(made, Answer) else Answer.of_json(made))

    return LoopbackServer(behave)


def provider_at(server: LoopbackServer, half: Half = BLOCKING, **settings: Any) -> Any:
    config = BedrockConfig(**{"base_url": server.url, "api_key": "bedrock-key", "max_retries": 0, **settings})
    return half.of(BedrockProvider(config, BEDROCK))


# Tools over several rounds.


def thought(number: int) -> dict[str, Any]:
    return {"reasoningContent": {"reasoningText": {"text": f"thought {number}", "signature": f"signed {number}"}}}


def call(number: int) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": f"tooluse_{number}", "name": "look", "input": {"at": f"place {number}"}}}


def turn(number: int) -> list[dict[str, Any]]:
    """What the model says in a round: it thinks, hides a thought, speaks, and calls."""
    hidden = {"reasoningContent": {"redactedContent": "aGlkZGVu"}}
    said = [thought(number), *([hidden] if number == 1 else []), {"text": f"Round {number}."}]
    return said + ([call(number)] if number < 4 else [])


def whole_turn(number: int) -> dict[str, Any]:
    reason = "tool_use" if number < 4 else "end_turn"
    return {"output": {"message": {"role": "assistant", "content": turn(number)}}, "stopReason": reason, "usage": {}}


def look(at: str) -> str:
    """Look somewhere."""
    return f"seen at {at}"


@each_half
def test_tools_over_three_rounds(half: Half) -> None:
    """What the model thought and called goes back field by field, signatures and hidden thoughts among it."""
    with serving(lambda request: whole_turn(len(server.requests))) as server, provider_at(server, half) as provider:
        run = provider.run_tools(MODEL, "What is there?", [look], parameters={"reasoning_effort": "low"})
        assert run.response.text == "Round 4."
        bodies = [request.json for request in server.requests]
    assert len(bodies) == 4
    history: list[dict[str, Any]] = [{"role": "user", "content": [{"text": "What is there?"}]}]
    for number, sent in enumerate(bodies, start=1):
        assert sent["messages"] == history
        assert sent["toolConfig"]["tools"][0]["toolSpec"]["name"] == "look"
        assert sent["additionalModelRequestFields"]["thinking"] == {"type": "adaptive"}
        result = {"toolUseId": f"tooluse_{number}", "content": [{"text": f"seen at place {number}"}]}
        history += [
            {"role": "assistant", "content": turn(number)},
            {"role": "user", "content": [{"toolResult": result}]},
        ]


RECORDED = [
    one
    for one in load_recordings(SHARED, "bedrock-converse")
    if one.is_answer and (one.expected or {}).get("reasoning_signatures") and not one.stream
]


@pytest.mark.skipif(not RECORDED, reason=f"there are no recordings in {SHARED}")
@pytest.mark.parametrize("recording", RECORDED, ids=lambda one: one.id)
def test_a_recorded_thought_goes_back_as_it_came(recording: Any) -> None:
    """A recorded turn with a signed thought, then a call, over three rounds: each thought goes back unchanged."""
    first = json.loads(recording.body)
    content = [*first["output"]["message"]["content"], call(1)]

    def answer(request: ReceivedRequest) -> Any:
        if len(server.requests) == 1:
            message = {"role": "assistant", "content": content}
            return {**first, "output": {"message": message}, "stopReason": "tool_use"}
        return whole_turn(len(server.requests))

    with serving(answer) as server, provider_at(server) as provider:
        run = provider.run_tools(MODEL, "?", [look])
        assert run.response.finish_reason == "stop"
        last = server.requests[-1].json["messages"]
    assert last[1]["content"] == content
    assert [message["content"] for message in last[3::2]] == [turn(2), turn(3)]


@each_half
def test_a_streamed_turn_goes_back_as_it_came(half: Half) -> None:
    """A thought that was streamed, with its signature in a delta of its own, is sent back whole."""

    def event(name: str, **content: Any) -> bytes:
        headers = {":event-type": name, ":message-type": "event"}
        return encoded(EventMessage(headers, json.dumps(content).encode()))

    def delta(index: int, **said: Any) -> bytes:
        return event("contentBlockDelta", contentBlockIndex=index, delta=said)

    stream = (
        event("messageStart", role="assistant"),
        delta(0, reasoningContent={"text": "hm"}),
        delta(0, reasoningContent={"signature": "signed"}),
        event("contentBlockStop", contentBlockIndex=0),
        delta(1, text="So."),
        event("contentBlockStop", contentBlockIndex=1),
        event("messageStop", stopReason="end_turn"),
        event("metadata", usage={"inputTokens": 1, "outputTokens": 2}),
    )
    answer = Answer(200, {"content-type": "application/vnd.amazon.eventstream"}, stream)
    with serving(lambda request: answer) as server, provider_at(server, half) as provider:
        response = provider.stream_chat(MODEL, "hi").read()
        assert response.message.parts[0] == ReasoningPart("hm", {"bedrock": {"signature": "signed"}})
        provider.stream_chat(MODEL, [Message.user("hi"), response.message, Message.user("go on")]).read()
        sent = server.requests[-1].json["messages"]
    assert sent[1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "signed"}}},
        {"text": "So."},
    ]


# Credentials and addresses.


def loaded(values: Mapping[str, Any], **environ: str) -> BedrockConfig:
    return load_config(
        BedrockConfig, values, provider="bedrock", environ=environ, api_key_env="AWS_BEARER_TOKEN_BEDROCK"
    )


KEYS = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "secret-env", "AWS_SESSION_TOKEN": "token-env"}


def test_which_credentials_count() -> None:
    """What is given goes before the environment, a Bedrock key before an access key, and no two are ever mixed."""
    both = loaded({}, AWS_BEARER_TOKEN_BEDROCK="bedrock-key", AWS_PROFILE="p", **KEYS)
    assert (both.api_key, both.access_key_id, both.profile, both.signs) == ("bedrock-key", None, None, False)
    keys = loaded({}, **KEYS, AWS_PROFILE="p")
    assert (keys.access_key_id, keys.secret_access_key, keys.session_token) == ("AKIDENV", "secret-env", "token-env")
    assert (keys.profile, keys.signs) == (None, True)
    given = loaded(
        {"access_key_id": "AKIDGIVEN", "secret_access_key": "given"}, AWS_BEARER_TOKEN_BEDROCK="bedrock-key", **KEYS
    )
    assert (given.api_key, given.session_token, given.signs) == (None, None, True)
    profile = loaded({"profile": "mine"}, AWS_BEARER_TOKEN_BEDROCK="bedrock-key", **KEYS)
    assert (profile.api_key, profile.access_key_id, profile.asks_the_chain) == (None, None, True)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"access_key_id": "AKID"}, "belong together"),
        ({"secret_access_key": "secret"}, "belong together"),
        ({"session_token": "token"}, "belongs to an access key"),
        ({"region": "Ohio"}, "must look like"),
        ({"guardrail": {"trace": "enabled"}}, "guardrailIdentifier"),
    ],
)
def test_settings_that_contradict_themselves(wrong: Mapping[str, Any], said: str) -> None:
    """Half of a pair, a region by another name, a guardrail without its id: told when the provider is made."""
    with pytest.raises(ConfigurationError, match=said):
        loaded(wrong)


def test_no_secret_is_shown() -> None:
    """Neither key is in the configuration's repr, and both are among what is kept from every output."""
    config = loaded({}, **KEYS)
    assert "secret-env" not in repr(config)
    assert "token-env" not in repr(config)
    assert {"secret-env", "token-env"} <= set(config.secrets)


@pytest.mark.parametrize(
    ("settings", "runtime", "control"),
    [
        (
            {"region": "eu-central-1"},
            "https://bedrock-runtime.eu-central-1.amazonaws.com",
            "https://bedrock.eu-central-1.amazonaws.com",
        ),
        (
            {"region": "cn-north-1"},
            "https://bedrock-runtime.cn-north-1.amazonaws.com.cn",
            "https://bedrock.cn-north-1.amazonaws.com.cn",
        ),
        (
            {"base_url": "https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com"},
            "https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com",
            "https://bedrock.us-west-2.amazonaws.com",
        ),
        (
            {"base_url": "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/"},
            "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
            "https://bedrock.us-gov-west-1.amazonaws.com",
        ),
        ({"base_url": "http://gateway:8080/aws"}, "http://gateway:8080/aws", "http://gateway:8080/aws"),
        ({"base_url": "http://a", "control_url": "http://b"}, "http://a", "http://b"),
    ],
)
def test_addresses(settings: Mapping[str, Any], runtime: str, control: str) -> None:
    """The region has an address for each of the two services; another address stands for both."""
    config = BedrockConfig(**settings)
    assert config.url("x") == f"{runtime}/x"
    assert config.control().url("x") == f"{control}/x"


def test_a_region_must_be_known() -> None:
    """Without a region and an address that tells one, the error says what to set."""
    provider = BedrockProvider(BedrockConfig(api_key="bedrock-key"), BEDROCK)
    with provider, pytest.raises(ConfigurationError, match="AWS_REGION"):
        provider.execute(MODEL, "hi")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No credentials of this machine, and a place for some."""
    for name in (*KEYS, "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


@each_half
def test_the_sdk_finds_credentials(alone: Path, half: Half) -> None:
    """A profile's keys sign, and its region is the one signed for; what the SDK finds is renewed by it."""
    pytest.importorskip("botocore", reason="botocore is not installed")
    (alone / "config").write_text("[profile work]\nregion = eu-west-3\n")
    (alone / "credentials").write_text("[work]\naws_access_key_id = AKIDFILE\naws_secret_access_key = secret-file\n")
    with serving(lambda request: whole_turn(4)) as server:
        with provider_at(server, half, api_key=None, profile="work") as provider:
            assert provider.execute(MODEL, "hi") == "Round 4."
        said = server.requests[0].headers["authorization"]
    assert "Credential=AKIDFILE/" in said
    assert "/eu-west-3/bedrock/aws4_request" in said


def test_no_credentials_anywhere(alone: Path) -> None:
    """When nobody has credentials, the error names all that may be set; so does the check without a network."""
    pytest.importorskip("botocore", reason="botocore is not installed")
    provider = BedrockProvider(BedrockConfig(region="us-east-1"), BEDROCK)
    with provider, pytest.raises(MissingApiKeyError, match=r"AWS_BEARER_TOKEN_BEDROCK.*AWS_ACCESS_KEY_ID"):
        provider.execute(MODEL, "hi")
    provider = BedrockProvider(BedrockConfig(region="us-east-1", profile="none"), BEDROCK)
    with provider, pytest.raises(ConfigurationError, match=r"profile.*none"):
        provider.execute(MODEL, "hi")


def test_without_the_sdk(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed, a missing key is told without asking, and a profile names the extra."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    usable, problem = validate_provider_config("bedrock", {"region": "us-east-1"})
    assert not usable
    assert "AWS_BEARER_TOKEN_BEDROCK" in str(problem)
    provider = BedrockProvider(BedrockConfig(region="us-east-1", profile="work"), BEDROCK)
    with provider, pytest.raises(ConfigurationError, match=r"airouter-bedrock\[aws\]"):
        provider.execute(MODEL, "hi")


# Models, counts, embeddings.

SUMMARIES = [
    {
        "modelId": "amazon.nova-lite-v1:0",
        "modelName": "Nova Lite",
        "providerName": "Amazon",
        "inputModalities": ["TEXT", "IMAGE"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    },
    {
        "modelId": "anthropic.claude-sonnet-4-6",
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "inferenceTypesSupported": ["INFERENCE_PROFILE"],
    },
    {"modelId": "amazon.titan-embed-text-v2:0", "outputModalities": ["EMBEDDING"], "modelLifecycle": {"status": "EOL"}},
]
PROFILES = [
    {
        "inferenceProfileId": f"{place}.anthropic.claude-sonnet-4-6",
        "inferenceProfileName": f"Claude in {place}",
        "models": [{"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-6"}],
    }
    for place in ("us", "eu")
]


@each_half
def test_models_and_profiles(half: Half) -> None:
    """Models are listed with what they can; profiles, page by page, stand behind them, and models name theirs."""

    def answer(request: ReceivedRequest) -> Any:
        if request.path == "/foundation-models":
            return {"modelSummaries": SUMMARIES}
        last = "nextToken=a%2Fb" in request.path
        return {"inferenceProfileSummaries": PROFILES[last : last + 1], **({} if last else {"nextToken": "a/b"})}

    with serving(answer) as server, provider_at(server, half) as provider:
        models = {model.id: model for model in provider.list_models()}
        assert all(request.headers["authorization"] == "Bearer bedrock-key" for request in server.requests)
    assert list(models) == [*(one["modelId"] for one in SUMMARIES), *(one["inferenceProfileId"] for one in PROFILES)]
    nova, claude, titan, profile, _ = models.values()
    assert (nova.name, nova.family, nova.problem) == ("Nova Lite", "Amazon", None)
    assert nova.capabilities == ("chat", "stream", "vision")
    assert titan.capabilities == ("embeddings",)
    assert titan.problem is not None
    assert claude.problem == "it is asked by an inference profile only, such as us.anthropic.claude-sonnet-4-6"
    assert (profile.name, profile.capabilities, profile.problem) == ("Claude in us", ("chat",), None)


def test_models_without_profiles(caplog: pytest.LogCaptureFixture) -> None:
    """A key that may list models and no profiles lists the models; the log says what is missing."""

    def answer(request: ReceivedRequest) -> Any:
        if request.path == "/foundation-models":
            return {"modelSummaries": SUMMARIES}
        return Answer.of_json({"message": "not authorized"}, status=403)

    with serving(answer) as server, provider_at(server) as provider:
        assert len(provider.list_models()) == 3
    assert "inference profiles cannot be listed" in caplog.text


def test_a_list_in_no_form() -> None:
    """A list of models without any is an error, not an empty list."""
    with (
        serving(lambda request: {}) as server,
        provider_at(server) as provider,
        pytest.raises(ProtocolError, match="modelSummaries"),
    ):
        provider.list_models()


@each_half
def test_tokens_are_counted_where_they_are(half: Half) -> None:
    """The service counts messages as they would be sent; without a model it is the estimate, and nobody is asked."""
    with serving(lambda request: {"inputTokens": 42}) as server, provider_at(server, half) as provider:
        assert provider.count_tokens("Hello", MODEL) == 42
        assert server.requests[0].path == f"/model/{MODEL}/count-tokens"
        assert server.requests[0].json == {
            "input": {"converse": {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}}
        }
        assert provider.count_tokens("Hello") == estimate_tokens("Hello")
        assert len(server.requests) == 1
    refused = Answer.of_json({"message": "The provided model doesn't support counting tokens."}, status=400)
    with serving(lambda request: refused) as server, provider_at(server, half) as provider:
        assert provider.count_tokens("Hello", MODEL) == estimate_tokens("Hello")
    limited = Answer.of_json({"message": "slow down"}, status=429)
    with (
        serving(lambda request: limited) as server,
        provider_at(server, half) as provider,
        pytest.raises(RateLimitedError),
    ):
        provider.count_tokens("Hello", MODEL)


@each_half
@pytest.mark.parametrize(
    ("model", "requests", "answer"),
    [
        ("amazon.titan-embed-text-v2:0", 3, lambda sent: {"embedding": [float(len(sent["inputText"]))]}),
        (
            "amazon.nova-2-multimodal-embeddings-v1:0",
            3,
            lambda sent: {"embeddings": [{"embedding": [float(len(sent["singleEmbeddingParams"]["text"]["value"]))]}]},
        ),
        ("cohere.embed-english-v3", 1, lambda sent: {"embeddings": [[float(len(text))] for text in sent["texts"]]}),
        (
            "cohere.embed-v4:0",
            1,
            lambda sent: {"embeddings": {"float": [[float(len(text))] for text in sent["texts"]]}},
        ),
    ],
)
def test_embeddings(half: Half, model: str, requests: int, answer: Callable[[Any], Any]) -> None:
    """Each maker's models are asked in their form, and the vectors come in the order of the texts."""
    with serving(lambda request: answer(request.json)) as server, provider_at(server, half) as provider:
        assert provider.create_embedding(["a", "bbb", "cc"], model) == [[1.0], [3.0], [2.0]]
        assert len(server.requests) == requests


@pytest.mark.parametrize(
    "said", [{}, {"embedding": []}, {"embedding": ["x"]}, {"embeddings": {"int8": [[1]]}}, {"embeddings": [{}]}]
)
def test_embeddings_in_no_form(said: Any) -> None:
    """What is no vector is a ProtocolError, and a model must be named."""
    with serving(lambda request: said) as server, provider_at(server) as provider:
        with pytest.raises(ProtocolError, match=r"no embeddings|an embedding that is no list of numbers"):
            provider.create_embedding("a", "amazon.titan-embed-text-v2:0")
        with pytest.raises(ParameterError, match="name one"):
            provider.create_embedding("a")
