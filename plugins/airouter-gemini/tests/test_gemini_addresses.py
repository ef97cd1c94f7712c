"""Where Gemini is asked, and with which credential."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import (
    AuthenticationError,
    ConfigurationError,
    ExecutionError,
    MissingApiKeyError,
    RetiredModelWarning,
)
from airouter_core.provider.asking import ask_of
from airouter_core.testing.halves import awaited
from airouter_core.testing.server import LoopbackServer
from airouter_gemini.provider import GeminiProvider

from .google_server import KEY


@pytest.mark.parametrize(
    ("config", "address"),
    [
        ({"api_key": KEY}, "https://generativelanguage.googleapis.com/v1beta/models/m"),
        ({"api_key": KEY, "base_url": "https://gw.example/v1beta"}, "https://gw.example/v1beta/models/m"),
        ({"api_key": KEY, "vertex": True}, "https://aiplatform.googleapis.com/v1beta1/publishers/google/models/m"),
        (
            {"access_token": "t", "vertex": True, "project": "p", "location": "eu"},
            "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p/locations/eu/publishers/google/models/m",
        ),
        (
            {"access_token": "t", "vertex": True, "project": "p", "location": "us-east5"},
            "https://us-east5-aiplatform.googleapis.com/v1beta1/projects/p/locations/us-east5/publishers/google/models/m",
        ),
    ],
)
def test_addresses(config: dict[str, Any], address: str) -> None:
    """AI Studio, a gateway before it, Vertex AI with a key alone, and Vertex AI in a place."""
    with create_provider("gemini", config) as provider:
        assert provider.config.url(provider.config.resource("m")) == address


@pytest.mark.parametrize(
    ("vertex", "model", "path"),
    [
        (False, "tunedModels/x", "tunedModels/x"),
        (False, "models/x", "models/x"),
        (True, "models/x", "projects/p/locations/global/publishers/google/models/x"),
        (True, "meta/llama", "projects/p/locations/global/publishers/meta/models/llama"),
        (True, "publishers/a/models/b", "projects/p/locations/global/publishers/a/models/b"),
        (True, "projects/q/locations/l/endpoints/1", "projects/q/locations/l/endpoints/1"),
    ],
)
def test_names_of_models_may_say_where_they_lie(vertex: bool, model: str, path: str) -> None:
    """And are taken as they are then."""
    config = {"api_key": KEY, "vertex": vertex, "project": "p"}
    with create_provider("gemini", config) as provider:
        assert provider.config.resource(model) == path


def test_a_call_has_one_credential(server: LoopbackServer, make: Callable[..., GeminiProvider]) -> None:
    """A key, a token, or what the caller's own headers say; never in the address."""
    make().chat("m", "?")
    assert server.requests[-1].headers["x-goog-api-key"] == KEY
    assert KEY not in server.requests[-1].path
    make(vertex=True, project="p", access_token="token-0123").chat("m", "?")
    assert server.requests[-1].headers["authorization"] == "Bearer token-0123"
    assert "x-goog-api-key" not in server.requests[-1].headers
    make(custom_headers={"Authorization": "Bearer own-0123"}).chat("m", "?")
    assert server.requests[-1].headers["authorization"] == "Bearer own-0123"
    assert "x-goog-api-key" not in server.requests[-1].headers


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable it is kept in; both of Google's variables are looked at."""
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with create_provider("gemini", {}) as provider, pytest.raises(MissingApiKeyError, match="GEMINI_API_KEY"):
        provider.chat("m", "?")
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    with create_provider("gemini", {}) as provider:
        assert provider.config.api_key == KEY


class Credentials:
    """What google-auth finds."""

    def __init__(self) -> None:
        self.token = ""
        self.refreshed = 0

    @property
    def valid(self) -> bool:
        return bool(self.token)

    def refresh(self, request: object) -> None:
        self.refreshed += 1
        self.token = f"found-token-{self.refreshed}"


@pytest.mark.parametrize("awaiting", [False, True])
def test_tokens_are_found_once_and_refreshed(
    server: LoopbackServer, make: Callable[..., GeminiProvider], monkeypatch: pytest.MonkeyPatch, awaiting: bool
) -> None:
    """By google-auth; the project may be the one that the credentials name."""
    auth = pytest.importorskip("google.auth", reason="google-auth is not installed")
    found = Credentials()
    monkeypatch.setattr(auth, "default", lambda scopes: (found, "found-project"))
    provider = make(vertex=True, api_key=None)
    provider.chat("m", "?")
    if awaiting:
        awaited(provider, lambda one: one.achat("m", "?"))
    else:
        provider.chat("m", "?")
    assert found.refreshed == 1
    assert server.requests[-1].headers["authorization"] == "Bearer found-token-1"
    assert "/projects/found-project/locations/global/" in server.requests[-1].path
    if not awaiting:
        found.token = ""
        provider.chat("m", "?")
        assert server.requests[-1].headers["authorization"] == "Bearer found-token-2"


def test_missing_credentials_say_what_to_do(
    make: Callable[..., GeminiProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without google-auth, without credentials, and with those that are refused."""
    exceptions = pytest.importorskip("google.auth.exceptions", reason="google-auth is not installed")
    import google.auth

    def fails(error: Exception) -> Callable[..., Any]:
        def default(scopes: object) -> Any:
            raise error

        return default

    monkeypatch.setattr(google.auth, "default", fails(exceptions.DefaultCredentialsError("none")))
    with pytest.raises(ConfigurationError, match="gcloud auth application-default login"):
        make(vertex=True, api_key=None).chat("m", "?")
    monkeypatch.setattr(google.auth, "default", fails(exceptions.RefreshError("revoked")))
    with pytest.raises(AuthenticationError, match="revoked"):
        make(vertex=True, api_key=None).chat("m", "?")
    monkeypatch.setattr(google.auth, "default", fails(exceptions.TransportError("no route")))
    with pytest.raises(ExecutionError, match="no route"):
        make(vertex=True, api_key=None).chat("m", "?")
    monkeypatch.setitem(sys.modules, "google.auth.exceptions", None)
    with pytest.raises(ConfigurationError, match=r"airouter-gemini\[vertex\]"):
        make(vertex=True, api_key=None).chat("m", "?")


def test_retired_models_stand_for_their_successors() -> None:
    """At Google; a gateway may still have one of that name."""
    with create_provider("gemini", {"api_key": KEY}) as provider:
        assert provider.successor_of("gemini-2.0-flash-001") == "gemini-3.6-flash"
        assert provider.successor_of("gemini-2.5-flash") is None
        with pytest.warns(RetiredModelWarning):
            provider.warn(provider.prepare(ask_of("gemini-1.5-flash", "?")).cautions)
    with create_provider("gemini", {"api_key": KEY, "base_url": "https://gw.example"}) as provider:
        assert provider.successor_of("gemini-2.0-flash") is None
