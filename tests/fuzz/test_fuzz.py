"""Whatever bytes arrive, nothing but the library's own errors comes out, and what is kept is bounded.

A few examples run with every test run. With the profile ``fuzz`` (``make fuzz``) it goes on for ten minutes, or for
as many seconds as ``AIROUTER_FUZZ_SECONDS`` says.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "kit"))

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from sample_plugin import DIALECT, SAMPLE, SampleConfig, SampleProvider

from airouter_core import create_provider, list_providers
from airouter_core.config.loading import load_config
from airouter_core.errors import AirouterError, ProtocolError
from airouter_core.profile.resolving import resolve
from airouter_core.provider.asking import ask_of
from airouter_core.provider.http import HttpProvider
from airouter_core.testing.recordings import pieces, wire_events
from airouter_core.testing.samples import CHAT_COMPLETIONS
from airouter_core.values.folding import fold
from airouter_core.values.message_dicts import messages_from
from airouter_core.values.messages import (
    FilePart,
    Message,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.replaying import events_of
from airouter_core.values.response import Response
from airouter_core.values.tools import response_format_from, tool_choice_from, tools_from
from airouter_core.wire.failures import seconds_to_wait
from airouter_core.wire.http import EVENT_STREAM, Wire
from airouter_core.wire.ndjson import NdjsonDecoder
from airouter_core.wire.sse import SseDecoder


def wires_installed():
    """Every wire that a provider's package holds."""
    for info in list_providers():
        module, _, name = info.target.partition(":")
        with contextlib.suppress(ImportError):
            places = [vars(getattr(importlib.import_module(module), name))]
            places.append(vars(importlib.import_module(f"{module.partition('.')[0]}.wire")))
            for place in places:
                yield from (value for value in place.values() if isinstance(value, Wire))


def providers_with_wires():
    """Every provider installed here that speaks over HTTP, with each of its APIs, and the made-up one."""
    yield SampleProvider(load_config(SampleConfig, {"api_key": "fuzz-key"}, provider="sample", environ={}), SAMPLE)
    for info in list_providers():
        for api in ({}, {"api": "responses"}, {"api": "completions"}):
            with contextlib.suppress(AirouterError):  # most have one; those of other people may want other settings
                given = {"base_url": "http://127.0.0.1:9", "api_key": "fuzz-key", **api}
                if isinstance(provider := create_provider(info.name, given), HttpProvider):
                    yield provider


PROFILE_SECONDS = "600" if settings.get_current_profile_name() == "fuzz" else "0"
SECONDS = float(os.environ.get("AIROUTER_FUZZ_SECONDS", PROFILE_SECONDS))
EXAMPLES = 40
TARGETS = 14
WIRE = DIALECT.wire()
WIRES = list({id(wire): wire for wire in (WIRE, *wires_installed())}.values())
"""The wires of all providers that are installed here, and the dialect's."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


def _words(text):
    return st.sampled_from(text.split())


WORDS = _words("""
    id model choices delta message content text type index finish_reason usage tool_calls function name arguments
    error code status prompt_tokens role stop reasoning refusal audio data logprobs images annotations
    completion_tokens stop_reason content_block input partial_json thinking signature input_tokens citation output
    item item_id output_index summary part response incomplete_details encrypted_content done done_reason
    eval_count prompt_eval_count total_duration native_finish_reason reasoning_details cost metadata
""")
TYPES = _words("""
    text message message_start content_block_start content_block_delta content_block_stop message_delta
    message_stop text_delta input_json_delta thinking_delta signature_delta tool_use thinking server_tool_use
    error ping response.created response.output_item.added response.output_text.delta response.completed
    response.function_call_arguments.delta response.output_item.done response.incomplete response.failed
    function_call reasoning output_text refusal function
""")
SHAPED = st.recursive(
    JSON | st.sampled_from(["stop", "assistant", "tool", "[DONE]", "function", 0, 1, -1, 2**70, float("inf")]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS, inner, max_size=5)
        | st.builds(lambda kind, more: {**more, "type": kind}, TYPES, st.dictionaries(WORDS, inner, max_size=4))
    ),
    max_leaves=30,
)
"""JSON with the words of the format at places where they do not belong."""


FORMATS = list(providers_with_wires())
WORDS_AND_WORSE = st.text(max_size=10) | st.sampled_from(["", " ", "{}", '{"a": 1}', "call_1"])
MEDIA = _words("image/png image/* image/jpg application/pdf audio/wav audio/ogg video/mp4 text/plain x")
METADATA = st.just({}) | st.dictionaries(
    st.sampled_from(["*", "other", *(provider.info.name for provider in FORMATS)]),
    st.dictionaries(
        WORDS | _words("cache_control source title file_id signature reasoning_details"), SHAPED, max_size=3
    ),
    max_size=2,
)
TEXTS = st.builds(TextPart, WORDS_AND_WORSE, METADATA)
FILES = st.builds(
    FilePart,
    MEDIA,
    data=st.none() | st.binary(max_size=8),
    url=st.none() | st.just("https://example.com/a"),
    name=st.none() | WORDS_AND_WORSE,
    detail=st.none() | st.sampled_from(["auto", "high"]),
    provider_metadata=METADATA,
)
OWN = st.builds(ProviderPart, st.sampled_from(["other", *(provider.info.name for provider in FORMATS)]), METADATA)
SAID = TEXTS | FILES | OWN
ANSWERED = (
    SAID
    | st.builds(ReasoningPart, WORDS_AND_WORSE, METADATA)
    | st.builds(RefusalPart, WORDS_AND_WORSE)
    | st.builds(ToolCallPart, WORDS_AND_WORSE, WORDS_AND_WORSE, WORDS_AND_WORSE, METADATA)
)
RESULTS = st.builds(
    ToolResultPart,
    WORDS_AND_WORSE,
    st.lists(TEXTS | FILES, max_size=2),
    st.none() | WORDS_AND_WORSE,
    st.booleans(),
    METADATA,
)
MESSAGES = st.one_of(
    st.builds(Message, st.just(role), st.lists(parts, max_size=4), st.none() | WORDS_AND_WORSE, METADATA)
    for role, parts in (("system", SAID), ("user", SAID), ("assistant", ANSWERED), ("tool", RESULTS))
)
"""Messages that may be said, with everything that a part can hold."""


def fuzz(*strategies):
    """Run with a few examples, or for a share of the seconds that were asked for."""

    def decorate(test):
        limited = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        inner = limited(given(*strategies)(test))

        def run() -> None:
            inner()
            end = time.monotonic() + SECONDS / TARGETS
            while time.monotonic() < end:
                seed(random.getrandbits(64))(limited(given(*strategies)(test)))()

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate


def _own_errors_only():
    return contextlib.suppress(AirouterError)


def _dumped(value) -> bytes:
    return json.dumps(value).encode()


@fuzz(st.binary(max_size=400), st.integers(1, 9))
def test_sse_of_any_bytes(data, size) -> None:
    """The decoder of server-sent events."""
    with _own_errors_only():
        decoder = SseDecoder()
        for piece in pieces(data, size):
            list(decoder.feed(piece))
        list(decoder.close())


@fuzz(st.lists(st.sampled_from([b"data: ", b"data:", b"event: a", b": c", b"\n", b"\r\n", b"\r", b"{}", b"\xf0\x9f"])))
def test_sse_does_not_depend_on_cuts(parts) -> None:
    """The same events however the lines are cut."""
    data = b"".join(parts)

    def decoded(cut):
        decoder, seen = SseDecoder(), []
        try:
            for piece in cut:
                seen.extend(decoder.feed(piece))
            seen.extend(decoder.close())
        except ProtocolError:
            seen.append("error")
        return seen

    assert decoded([data]) == decoded(pieces(data, 1)) == decoded(pieces(data, seed=5))


@fuzz(st.binary(max_size=400), st.integers(1, 9))
def test_ndjson_of_any_bytes(data, size) -> None:
    """The decoder of lines of JSON."""
    with _own_errors_only():
        decoder = NdjsonDecoder()
        for piece in pieces(data, size):
            list(decoder.feed(piece))
        list(decoder.close())


@fuzz(st.integers(1, 3000))
def test_what_a_decoder_keeps_is_bounded(count) -> None:
    """A line without an end is an error at the limit, not a growing memory."""
    for decoder in (SseDecoder(limit=1000), NdjsonDecoder(limit=1000)):
        with contextlib.suppress(ProtocolError):
            for _ in range(count):
                list(decoder.feed(b"x"))
            assert count <= 1000


@fuzz(st.sampled_from(WIRES), st.binary(max_size=300) | SHAPED.map(_dumped))
def test_bodies(wire, data) -> None:
    """The parsers of whole answers; what they take folds, and replays."""
    with _own_errors_only():
        response = fold(wire.parse_body(data))
        assert fold(events_of(response)) == response


@fuzz(st.sampled_from(WIRES), st.lists(SHAPED | st.just("[DONE]"), max_size=6), st.integers(1, 40))
def test_streams(wire, values, size) -> None:
    """The parsers of streams, fed in pieces."""
    frame = b"data: %s\n\n" if wire.stream_type == EVENT_STREAM else b"%s\n"
    data = b"".join(frame % (b"[DONE]" if value == "[DONE]" else _dumped(value)) for value in values)
    with _own_errors_only():
        parser = wire.open_stream()
        events = []
        for piece in pieces(data, size):
            events.extend(parser.feed(piece))
        events.extend(parser.close())
        fold(events)


@fuzz(st.sampled_from(CHAT_COMPLETIONS), st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=3)), max_size=4))
def test_damaged_recordings(recording, damages) -> None:
    """Good answers with some bytes replaced."""
    import attrs

    data = bytearray(recording.body)
    for place, new in damages:
        data[place % len(data) : place % len(data) + len(new)] = new
    with _own_errors_only():
        assert isinstance(fold(wire_events(WIRE, attrs.evolve(recording, body=bytes(data)))), Response)


@fuzz(st.sampled_from(WIRES), st.integers(400, 599), st.binary(max_size=200) | SHAPED.map(_dumped))
def test_errors(wire, status, data) -> None:
    """Whatever a failure says, an error can be made of it, and shown."""
    error = wire.parse_error(status, {}, data)
    assert str(error)
    assert error.status == status


@fuzz(st.dictionaries(st.text(max_size=12) | st.sampled_from(["api_key", "timeout", "base_url", "proxies"]), JSON))
def test_configuration(values) -> None:
    """Loading a configuration from anything."""
    with _own_errors_only():
        load_config(SampleConfig, values, provider="sample", environ={})


@fuzz(st.dictionaries(st.text(max_size=12) | st.sampled_from(["temp", "temperature", "stop", "max_tokens", "n"]), JSON))
def test_parameters(values) -> None:
    """Resolving parameters of any name and value."""
    with _own_errors_only():
        resolved = resolve(values, SAMPLE.parameters, provider="sample")
        assert len(resolved.receipts) == len(values)


@fuzz(SHAPED, SHAPED, SHAPED, SHAPED)
def test_messages_and_tools(messages, tools, choice, form) -> None:
    """Reading messages, tools, a choice and a format from any JSON."""
    for read in (messages_from, tools_from, response_format_from, lambda value: tool_choice_from(value, ())):
        for value in (messages, tools, choice, form):
            if isinstance(value, list | dict | str) or value is None:
                with _own_errors_only():
                    read(value)


@fuzz(st.sampled_from(FORMATS), st.lists(MESSAGES, min_size=1, max_size=4), st.booleans())
def test_requests(provider, messages, stream) -> None:
    """What is sent for any conversation is JSON, and what is not sent is told in words."""
    with _own_errors_only():
        request = provider.request_of(ask_of("m", messages))
        wire = provider.wire_for(request)
        assert all(map(str.strip, wire.notes(request, provider.config)))
        assert json.loads(wire.build_request(request, provider.config, stream=stream).body)


@fuzz(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=30)))
def test_retry_after(headers) -> None:
    """Whatever stands in the header, the wait is a number that is not negative, or unknown."""
    seconds = seconds_to_wait(headers, time.time())
    assert seconds is None or seconds >= 0


@fuzz(st.binary(max_size=300), st.sampled_from([b"", b"GGUF\x03\x00\x00\x00", b"GGUF\x02\x00\x00\x00"]))
def test_gguf_headers(data, start) -> None:
    """The reader of model files: only its own error, which the plugin turns into the library's."""
    gguf = pytest.importorskip("airouter_llamacpp.gguf")
    content = start + data
    with contextlib.suppress(gguf.GgufError):
        gguf.parse_header(io.BytesIO(content), len(content))
