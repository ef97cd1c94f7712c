"""What the kit checks, and how a check gets at it."""

from __future__ import annotations

import copy
import functools
import importlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import attrs
import pytest

from ..config.http import HttpConfig
from ..config.loading import load_config
from ..errors import UnsupportedParameterWarning
from ..plugins.factory import config_class
from ..plugins.registry import Plugins
from ..profile.declarations import ProviderInfo
from ..profile.resolving import ParameterTable
from ..provider.facade import Provider
from ..provider.http import HttpProvider
from ..values.events import FinishReason
from ..values.messages import Message
from ..values.request import Request
from ..values.response import Response
from ..wire.http import EVENT_STREAM, Wire
from .edits import COUNTS, FINISH_FIELDS
from .frames import Frames, frames_of
from .halves import AWAITED, BLOCKING, Half
from .recordings import Recording, load_recordings
from .server import Answer, Connection, LoopbackServer, ReceivedRequest

CANARY = "canary-key-0123456789-never-shown"
"""The key that a provider under test is given. It must reach the server, and nothing else."""
TIMEOUT = 5.0
SERVER_ERROR = {"type": "server_error", "code": "server_error", "message": "kit: it broke"}


class NotConformingError(AssertionError):
    """A provider breaks what the interface promises."""


def hold(condition: object, message: str) -> None:
    """Fail unless ``condition``; asserts in a shipped module are not explained by pytest."""
    if not condition:
        raise NotConformingError(message)


def none_of(problems: Iterable[str]) -> None:
    """Fail if there is a problem; name up to ten."""
    found = list(problems)
    hold(not found, f"{len(found)} found:\n  " + "\n  ".join(found[:10]))


class Subject:
    """The provider under test, as a subclass of the conformance class describes it.

    Attributes:
        info: the provider's declaration; capabilities and parameters are read from it.
        config: settings it needs beside ``base_url`` and its secrets, which the kit gives.
        secrets: names of the settings that prove who asks. Each is given a value of its own, which may reach the server
            in one header, or as a signature that depends on it, and must be nowhere else.
        recordings: a folder of recordings, and ``kinds``, the subfolders of it that are meant.
        samples: recordings given as values, for a provider that has no folder, or beside it.
        model: the name of a model to ask for.
        plugin: the module of the entry point (its name, or any object with hooks); ``<package>.plugin`` unless set.
        provider_class: the implementation; what ``info.target`` names unless set.
        parameter_values: a value to try for a parameter, where the kit's own guess would not do.
        parameter_company: for a parameter, others that it needs beside it.
        lacking: capabilities that are declared and that this configuration lacks, by name, with the reason of each;
            they must be refused.
        excused: recordings that are known to be read otherwise than expected, by id, with the reason of each. One
            that is read as expected must not be here.
        known_failures: checks and rows of the table of faults that do not hold yet, by name, with the reason of each:
            ``{"test_usage_adds_up": "…", "an empty object (stream)": "…"}``. ``"test_…[awaited]"`` is meant for one
            half alone. Each must fail: one that holds must not be here.
        count_fields: fields of answers that hold counts, to be taken out.
        finish_fields: fields of answers that hold the reason to stop, to be changed.
        finish_meanings: what words for the end of an answer mean that only this provider has, such as
            ``{"guard_hit": "content_filter"}``; the kit knows those of the usual formats.
        frames: how the bytes of its streams are made of frames; as the wire's ``stream_type`` says unless set, which is
            enough for server-sent events and lines of JSON.
        like: the checks of another provider that has the same implementation, where a plugin brings many of them. What
            depends on that alone (faults, lifetime, secrets, edited answers) is left to them.
        halves: the ways to use the provider, each of which must pass the checks that ask it.
        half: the one that asks now.
    """

    info: ClassVar[ProviderInfo]
    config: ClassVar[Mapping[str, Any]] = {}
    secrets: ClassVar[tuple[str, ...]] = ("api_key",)
    recordings: ClassVar[str | os.PathLike[str] | None] = None
    kinds: ClassVar[tuple[str, ...]] = ()
    samples: ClassVar[tuple[Recording, ...]] = ()
    model: ClassVar[str] = "kit-model"
    plugin: ClassVar[Any] = None
    provider_class: ClassVar[type[Provider[Any]] | None] = None
    parameter_values: ClassVar[Mapping[str, Any]] = {}
    parameter_company: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    lacking: ClassVar[Mapping[str, str]] = {}
    excused: ClassVar[Mapping[str, str]] = {}
    known_failures: ClassVar[Mapping[str, str]] = {}
    count_fields: ClassVar[tuple[str, ...]] = COUNTS
    finish_fields: ClassVar[tuple[str, ...]] = FINISH_FIELDS
    finish_meanings: ClassVar[Mapping[str, FinishReason]] = {}
    frames: ClassVar[Frames | None] = None
    like: ClassVar[type[Subject] | None] = None
    halves: ClassVar[tuple[Half, ...]] = (BLOCKING, AWAITED)
    half: Half = BLOCKING

    # What a subclass may say otherwise.

    def wire(self) -> Wire:
        """The wire that reads the recordings: the provider's own for a request like those of the checks."""
        self.http_class()
        with self.provider_itself("http://127.0.0.1:9") as provider:
            assert isinstance(provider, HttpProvider)
            return provider.wire_for(self.request())

    def body_of(self, recording: Recording) -> bytes | None:
        """The body in which the provider would give, whole, what this stream gives in pieces; ``None`` if unknown."""
        return None

    def quota_answer(self) -> Answer:
        """How the provider says that the money is used up: as recorded, else with status 402."""
        for recording in self.known_recordings():
            error = recording.expected_error or {}
            if recording.status >= 400 and "insufficient_quota" in (error.get("code"), error.get("type")):
                return recording.answer()
        return Answer.of_json({"error": {"message": "kit: the credit is used up"}}, status=402)

    def error_body(self) -> Any:
        """An error of the provider's server inside an answer whose status is 200."""
        return {"type": "error", "error": SERVER_ERROR}

    def embeddings_answer(self, request: ReceivedRequest) -> Answer:
        """How the service answers a request for embeddings: for each text a vector of its length and 0.5.

        In the chat-completions format, unless overridden: the last one first, told apart by ``index``.
        """
        texts = request.json["input"]
        texts = [texts] if isinstance(texts, str) else texts
        data = [{"index": index, "embedding": [float(len(text)), 0.5]} for index, text in enumerate(texts)]
        return Answer.of_json({"data": data[::-1], "model": self.model})

    def error_event(self) -> bytes:
        """The same, in the middle of a stream."""
        text = json.dumps(self.error_body()).encode()
        return b"event: error\ndata: %s\n\n" % text if self.wire().stream_type == EVENT_STREAM else text + b"\n"

    # What checks use.

    def framing(self) -> Frames:
        """The frames of its streams."""
        return self.frames if self.frames is not None else frames_of(self.wire().stream_type)

    def implementation(self) -> type[Provider[Any]]:
        """The provider's class."""
        if self.provider_class is not None:
            return self.provider_class
        module, _, name = self.info.target.partition(":")
        found: type[Provider[Any]] = getattr(importlib.import_module(module), name)
        return found

    def http_class(self) -> type[HttpProvider[Any]]:
        """The provider's class, where it has a wire; otherwise the check does not apply."""
        found = self.implementation()
        if not issubclass(found, HttpProvider):
            pytest.skip(f"{self.info.name} has no wire: it is no HttpProvider")
        return found

    @property
    def has_wire(self) -> bool:
        return issubclass(self.implementation(), HttpProvider)

    def plugin_object(self) -> Any:
        """What the entry point names, imported."""
        named = self.plugin if self.plugin is not None else f"{self.info.target.partition('.')[0]}.plugin"
        return importlib.import_module(named) if isinstance(named, str) else named

    def plugins(self) -> Plugins:
        """This plugin alone."""
        return Plugins.of(self.plugin_object())

    def table(self) -> ParameterTable:
        """All parameters that its users may name."""
        return self.plugins().parameters(self.info.name)

    def planted(self) -> dict[str, str]:
        """The values of the secrets of this test, by the name of the setting."""
        return {name: CANARY if name == "api_key" else f"canary-{name}-0123456789-never-shown" for name in self.secrets}

    def settings(self, address: str | None = None, **more: Any) -> dict[str, Any]:
        """A configuration for a test: short waits, no retries, planted secrets; only what this provider knows."""
        usual = {"base_url": address, **self.planted(), "timeout": TIMEOUT, "connect_timeout": TIMEOUT}
        known = {field.name for field in attrs.fields(config_class(self.info))}
        given = {**usual, "max_retries": 0, **self.config, **more}
        return {name: value for name, value in given.items() if name in known or name in more}

    def provider(self, server: LoopbackServer | str | None = None, **more: Any) -> Provider[Any]:
        """A provider that asks ``server``, used by the half whose turn it is; the environment is not looked at."""
        used: Provider[Any] = self.half.of(self.provider_itself(server, **more))
        return used

    def provider_itself(self, server: LoopbackServer | str | None = None, **more: Any) -> Provider[Any]:
        """The same, with both its halves."""
        address = server.url if isinstance(server, LoopbackServer) else server
        config = load_config(
            config_class(self.info), self.settings(address, **more), provider=self.info.name, environ={}
        )
        return self.implementation()(config, self.info, self.plugins())

    def http_config(self, address: str = "http://127.0.0.1:9") -> HttpConfig:
        """The same configuration, as the wire gets it."""
        with self.provider_itself(address) as provider:
            self.http_class()
            config: HttpConfig = provider.config
            return config

    def known_recordings(self) -> list[Recording]:
        """Samples and recordings of the chat endpoint."""
        found = [*self.samples, *_loaded(None if self.recordings is None else os.fspath(self.recordings), self.kinds)]
        chat = {recording.path for recording in found if "text" in (recording.expected or {})}
        return [recording for recording in found if recording.path in chat]

    def answers(self, *, stream: bool | None = None, minimum: int = 1) -> list[Recording]:
        """Complete answers among them; with fewer than ``minimum`` the check is skipped."""
        found = [
            recording
            for recording in self.known_recordings()
            if recording.is_answer and stream in (None, recording.stream) and recording.id not in self.excused
        ]
        if len(found) < minimum:
            kind = {None: "", True: "streamed ", False: "whole "}[stream]
            pytest.skip(f"needs {minimum} recorded {kind}answers: set `recordings` or `samples`")
        return found

    def good(self, *, stream: bool) -> Recording:
        """A short complete answer with text and no tool call."""
        found = [
            recording
            for recording in self.answers(stream=stream)
            if (recording.expected or {}).get("text") and not (recording.expected or {}).get("tool_calls")
        ]
        if not found:
            pytest.skip("needs a recorded answer with text: set `recordings` or `samples`")
        return next((item for item in found if len(item.body) < 20_000), found[0])

    def can(self, capability: str) -> bool:
        """Whether a capability is declared, and not lacking in this configuration."""
        return capability in self.info.capabilities and capability not in self.lacking

    def request(self, **more: Any) -> Request:
        """A small request, as a wire gets it."""
        return Request(model=self.model, messages=(Message.system("Be brief."), Message.user("Say hello.")), **more)

    def serving(self) -> LoopbackServer:
        """A server that gives a good answer to whatever is asked: a stream to whoever asks for one."""
        whole, streamed = self.good(stream=False), self._streamed_or_none()

        def behave(request: ReceivedRequest, connection: Connection) -> None:
            wants_stream = streamed is not None and self.asks_for_stream(request)
            connection.answer((streamed if wants_stream and streamed else whole).answer())

        return LoopbackServer(behave)

    def asks_for_stream(self, request: ReceivedRequest) -> bool:
        """Whether a request asks for a stream: ``stream`` in its body, unless a subclass knows better."""
        body = request.json if request.body else None
        return isinstance(body, dict) and bool(body.get("stream", False))

    def by(self, half: Half) -> Self:
        """The same subject, asked by this half."""
        other = copy.copy(self)
        other.half = half
        return other

    def ask(self, provider: Provider[Any], *, stream: bool = False, **more: Any) -> Response:
        """One small question."""
        messages = more.pop("messages", "Say hello.")
        if stream:
            return provider.stream_chat(self.model, messages, **more).read()
        return provider.chat(self.model, messages, **more)

    def _streamed_or_none(self) -> Recording | None:
        if "stream" not in self.info.capabilities:
            return None
        return self.good(stream=True)


@contextmanager
def quietly() -> Iterator[list[str]]:
    """Collect warnings about parameters instead of showing them."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnsupportedParameterWarning)
        yield texts
        texts.extend(str(item.message) for item in caught if issubclass(item.category, UnsupportedParameterWarning))


@functools.cache
def _loaded(folder: str | None, kinds: tuple[str, ...]) -> tuple[Recording, ...]:
    return () if folder is None else tuple(load_recordings(folder, *kinds))
