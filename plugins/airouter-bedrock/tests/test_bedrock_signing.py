"""Signatures: the same as the AWS SDK's for the same moment, and right for each sending in both halves."""

from __future__ import annotations

import datetime
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airouter_bedrock.config import BedrockConfig
from airouter_bedrock.plugin import BEDROCK
from airouter_bedrock.provider import BedrockProvider
from airouter_bedrock.signing import sign
from airouter_core.testing.halves import AWAITED, BLOCKING, Half
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.wire.http import HttpRequest

pytest.importorskip("botocore", reason="botocore is not installed")

ARN = "arn:aws:bedrock:us-east-1:000000000000"
NOW = 1_796_000_000.0
KEYS: dict[str, Any] = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
SAID = {"output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}, "stopReason": "end_turn"}


def by_the_sdk(sent: HttpRequest | ReceivedRequest, url: str, config: BedrockConfig, **more: str) -> str:
    """The ``Authorization`` header that botocore makes of the same request at the same moment."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    signer = SigV4Auth(Credentials(config.access_key_id, config.secret_access_key), "bedrock", config.signing_region)
    request = AWSRequest(sent.method, url, {**signable(sent.headers), **more}, sent.body)
    request.context["timestamp"] = request.headers["x-amz-date"]
    text = signer.canonical_request(request)
    signature = signer.signature(signer.string_to_sign(request, text), request)
    signed = signer.signed_headers(signer.headers_to_sign(request))
    return f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, Signature={signature}"


def signable(headers: Any) -> dict[str, str]:
    """The headers that are signed, beside the host's."""
    named = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in named.items() if name == "content-type" or name.startswith("x-amz-")}


segments = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
words = st.text(st.sampled_from("abcXYZ019-_.~"), min_size=1, max_size=8)


@settings(deadline=None)
@given(
    st.lists(segments.filter(lambda one: one not in (".", "..")), min_size=1, max_size=4),
    st.dictionaries(words, words, max_size=3),
    st.binary(max_size=50) | st.none(),
    st.none() | words,
    st.integers(0, 2**31),
)
def test_signatures_are_the_sdks(
    path: list[str], query: dict[str, str], body: bytes | None, token: str | None, seconds: int
) -> None:
    """For any path, query, body and moment: the header that botocore makes."""
    config = BedrockConfig(region="eu-central-1", session_token=token, **KEYS)
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    url = "https://bedrock-runtime.eu-central-1.amazonaws.com/" + "/".join(quote(one, safe="") for one in path)
    url += f"?{asked}" if asked else ""
    method = "GET" if body is None else "POST"
    made = sign(HttpRequest(method, url, {"Content-Type": "application/json", "Accept": "*/*"}, body), config, seconds)
    time = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {name.lower(): value for name, value in made.headers.items()}
    assert headers["x-amz-date"] == time
    assert headers.get("x-amz-security-token") == token
    assert headers["authorization"] == by_the_sdk(made, url, config)
    assert (made.method, made.url, made.body) == (method, url, body)


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": "bedrock-key"},
        {"api_key": "bedrock-key", **KEYS},
        {"custom_headers": {"Authorization": "x"}, **KEYS},
    ],
)
def test_a_bearer_token_needs_no_signature(settings: dict[str, Any]) -> None:
    """With a Bedrock key, or a credential among the headers, nothing is added."""
    request = HttpRequest("POST", "https://h/model/m/converse", {"Authorization": "Bearer bedrock-key"}, b"{}")
    assert sign(request, BedrockConfig(region="us-east-1", **settings), NOW) is request


@pytest.mark.parametrize("half", [BLOCKING, AWAITED], ids=lambda half: half.name)
@pytest.mark.parametrize(
    "model", ["us.amazon.nova-lite-v1:0", "arn:aws:bedrock:us-east-1:000000000000:inference-profile/us.a-v1:0"]
)
def test_the_server_can_check_each_sending(half: Half, model: str) -> None:
    """What arrives bears its own signature: each attempt, a redirect, and with headers of the caller."""
    config = BedrockConfig(region="us-east-1", max_retries=2, custom_headers={"X-Amz-Kit": "a  b"}, **KEYS)

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        if len(server.requests) == 1:
            connection.answer(Answer(503, {"retry-after-ms": "1"}, (b"{}",), "length"))
        elif len(server.requests) == 2:
            connection.answer(Answer(307, {"location": f"/moved{request.path}?a=b%2Fc"}, (), "length"))
        else:
            connection.answer(Answer.of_json(SAID))

    with LoopbackServer(behave) as server:
        provider = half.of(BedrockProvider(attrs.evolve(config, base_url=server.url), BEDROCK))
        with provider:
            assert provider.execute(model, "hi") == "hello"
        assert len(server.requests) == 3
        for request in server.requests:
            assert quote(model, safe="") in request.path
            wanted = by_the_sdk(request, server.url + request.path, config, host=request.headers["host"])
            assert request.headers["authorization"] == wanted
