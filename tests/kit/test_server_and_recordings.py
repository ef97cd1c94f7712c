"""The kit's own tools do what they say: the server, ways of cutting, the comparison, edits."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import msgspec
import pytest
import requests
from sample_plugin import DIALECT

from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ContentFilteredError,
    ContextLengthError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from airouter_core.testing.compare import expected_input_tokens, expected_output_tokens
from airouter_core.testing.edits import edited, with_unknown_fields, without_counts
from airouter_core.testing.frames import SseFrames, frame_ends
from airouter_core.testing.recordings import (
    ReplayServer,
    cuts,
    difference,
    load_recordings,
    pieces,
    recording_of,
    wire_events,
)
from airouter_core.testing.samples import CHAT_COMPLETIONS, TEXT, sample
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.folding import fold
from airouter_core.values.messages import Message, ToolCallPart
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage

WIRE = DIALECT.wire()
WHOLE, STREAM = CHAT_COMPLETIONS[0], CHAT_COMPLETIONS[1]
SHARED = pathlib.Path(__file__).parents[2].parent / "shared" / "recordings"


def test_where_nobody_listens_is_one_place_for_all_threads_as_long_as_the_server_runs() -> None:
    """It refuses, nobody else gets it, and nothing is left open."""
    with LoopbackServer(lambda request, connection: None) as server:
        with ThreadPoolExecutor(8) as threads:
            (url,) = set(threads.map(lambda _: server.refusing_url, range(64)))
        place = ("127.0.0.1", int(url.rpartition(":")[2]))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(place)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(place)


def test_cutting_loses_nothing() -> None:
    """However bytes are cut, the pieces are the bytes; random cuts repeat, and hold empty pieces."""
    data = bytes(range(256)) * 9
    for cut in cuts().values():
        assert b"".join(cut(data)) == data
    assert list(pieces(data, seed=3)) == list(pieces(data, seed=3)) != list(pieces(data, seed=4))
    assert b"" in list(pieces(data, seed=1))
    assert list(pieces(b"", 3)) == []


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
def test_a_recording_is_served(framing) -> None:
    """Each framing delivers the bytes, below an address of the recording's own; an unknown one is a 404."""
    with ReplayServer(CHAT_COMPLETIONS, cut=lambda data: pieces(data, 5), framing=framing) as server:
        got = requests.post(f"{server.address(STREAM, 'v1')}/anything", json={"q": 1}, timeout=120)
        assert (got.status_code, got.content) == (200, STREAM.body)
        assert got.headers["content-type"] == "text/event-stream"
        assert requests.get(f"{server.url}/nothing", timeout=120).status_code == 404
        assert [request.method for request in server.requests] == ["POST", "GET"]
        assert server.requests[0].json == {"q": 1}
    assert server.open_connections == 0


def test_a_chunked_request_is_understood() -> None:
    """Clients may send their bodies in chunks."""
    with ReplayServer(CHAT_COMPLETIONS) as server:
        requests.post(server.address(WHOLE), data=iter([b"ab", b"cd"]), timeout=120)
        assert server.requests[0].body == b"abcd"


def test_a_client_that_leaves_is_noticed() -> None:
    """The server knows when somebody went away in the middle."""
    with LoopbackServer(lambda request, connection: connection.wait(120)) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert not server.left.wait(0.1)
        assert server.left.wait(120)


def test_a_behaviour_that_fails_is_told() -> None:
    """An error in a server's behaviour is raised where the server was used, and not lost in its thread."""

    def broken(request, connection):
        raise LookupError("kit")

    with (
        pytest.raises(LookupError, match="kit"),
        LoopbackServer(broken) as server,
        contextlib.suppress(requests.ConnectionError),
    ):
        requests.get(server.url, timeout=120)


def test_an_answer_with_an_error_in_json() -> None:
    """Answers may be made of a value."""
    answer = Answer.of_json({"a": 1}, status=418, headers={"x": "y"})
    assert (answer.status, answer.body, answer.headers["x"]) == (418, b'{"a": 1}', "y")


def _read(recording):
    return fold(wire_events(WIRE, recording))


def test_a_right_response_has_no_difference() -> None:
    """The samples are read as expected."""
    for recording in CHAT_COMPLETIONS:
        if recording.is_answer:
            assert difference(recording, _read(recording)) == []


WRONG = {
    "text": {"message": Message.assistant("other")},
    "raw_finish_reason": {"raw_finish_reason": "length"},
    "usage.input_tokens": {"usage": Usage(12, 7)},
    "usage.output_tokens": {"usage": Usage(11, None)},
    "model": {"model": "another"},
    "names of tool_calls": {"message": Message.assistant(TEXT, ToolCallPart("1", "weather"))},
}


@pytest.mark.parametrize("what", WRONG)
def test_each_difference_is_named(what) -> None:
    """A response that is wrong in one point is reported with that point."""
    found = difference(WHOLE, msgspec.structs.replace(_read(WHOLE), **WRONG[what]))
    assert [line for line in found if line.startswith(what)] == found != []


def test_raw_arguments_are_compared() -> None:
    """Arguments that mean the same, written otherwise, are a difference."""
    tools = CHAT_COMPLETIONS[2]
    response = msgspec.structs.replace(
        _read(tools), message=Message.assistant(ToolCallPart("call_1", "weather", '{"city":"Zürich"}'))
    )
    (line,) = difference(tools, response)
    assert line.startswith("tool_calls weather.arguments_json")


@pytest.mark.parametrize(
    ("code", "error", "right"),
    [
        ("insufficient_quota", QuotaExceededError("x: no money", status=429), True),
        ("insufficient_quota", RateLimitedError("x: no money", status=429), False),
        ("rate_limit_exceeded", RateLimitedError("x: no money", status=429), True),
        ("rate_limit_exceeded", RateLimitedError("x: no money", status=500), False),
        ("context_length_exceeded", BadRequestError("x: no money", status=429), False),
        ("context_length_exceeded", ContextLengthError("x: no money", status=429), True),
        ("rate_limit_exceeded", RateLimitedError("something else", status=429), False),
        (None, ServerError("x: no money", status=429), False),
    ],
)
def test_errors_are_compared(code, error, right) -> None:
    """An error must have the class, the status and the message that are expected."""
    expected = {"error": {"status": 429, "code": code, "message": "no money"}}
    assert (difference(sample("e", {}, status=429, expected=expected), error) == []) is right


@pytest.mark.parametrize(
    ("answered", "raw", "whole"),
    [
        (7, {}, Usage(11, 7)),
        (7, {"thoughtsTokenCount": 5, "toolUsePromptTokenCount": 3}, Usage(14, 12)),
        (None, {"thoughtsTokenCount": 5}, Usage(11, 5)),
        (None, {}, Usage(11, None)),
    ],
)
def test_what_a_format_counts_apart_is_part_of_the_whole(answered, raw, whole) -> None:
    """Thoughts beside the answer were made, and what tools brought beside the prompt was sent."""
    expected = {"text": TEXT, "usage": {"input_tokens": 11, "output_tokens": answered}, "usage_raw": raw}
    recording = sample("u", {}, expected=expected)
    response = Response(message=Message.assistant(TEXT))
    assert difference(recording, msgspec.structs.replace(response, usage=whole)) == []
    assert difference(recording, msgspec.structs.replace(response, usage=Usage(1, 1)))


def test_a_blocked_prompt_is_expected_to_be_an_error() -> None:
    """An answer whose prompt was blocked is no answer: an error that says why is right, and nothing else."""
    recording = sample("b", {}, expected={"text": "", "block_reason": "SAFETY"})
    assert not recording.is_answer
    assert difference(recording, ContentFilteredError("the prompt was blocked (SAFETY)")) == []
    assert difference(recording, ContentFilteredError("the prompt was blocked"))
    assert difference(recording, ServerError("SAFETY"))
    assert difference(recording, Response(message=Message.assistant("")))


def test_an_answer_in_place_of_an_error_is_a_difference() -> None:
    """And an error in place of an answer."""
    failing = sample("e", {}, status=429, expected={"error": {"status": 429}})
    assert "got an answer" in difference(failing, Response(message=Message.assistant("")))[0]
    assert "expected an answer" in difference(WHOLE, ServerError("down"))[0]


def test_cached_tokens_are_counted_in() -> None:
    """A provider that counts cached tokens beside the others is compared by their sum."""
    raw = {"input_tokens": 3, "cache_read_input_tokens": 5, "cache_creation_input_tokens": None}
    recording = sample("c", {}, expected={"text": "", "usage": {"input_tokens": 3}, "usage_raw": raw})
    assert expected_input_tokens(recording) == 8


def test_cached_tokens_beside_prompt_tokens_are_part_of_them() -> None:
    """``prompt_tokens`` holds them already, whatever further names a service gives them."""
    raw = {"prompt_tokens": 8, "cache_read_input_tokens": 5}
    recording = sample("c", {}, expected={"text": "", "usage": {"input_tokens": 8}, "usage_raw": raw})
    assert expected_input_tokens(recording) == 8


def test_thoughts_that_a_sum_tells_of_are_counted_in() -> None:
    """A service whose sum holds more than prompt and completion counts its thoughts apart."""
    details = {"prompt_tokens": 5, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 7}}
    for total, expected in {14: 9, 7: 2}.items():
        usage = {"input_tokens": 5, "output_tokens": 2}
        given = {"text": "", "usage": usage, "usage_raw": {**details, "total_tokens": total}}
        assert expected_output_tokens(sample("t", {}, expected=given)) == expected


def test_a_web_page_is_compared_on_one_line() -> None:
    """The message of an error shows a page without its line breaks."""
    page = "<html>\n<head>\n  <title>401</title>"
    failing = sample("e", {}, status=401, expected={"error": {"status": 401, "message": page}})
    assert difference(failing, AuthenticationError("x: '<html> <head> <title>401</title>'", status=401)) == []
    assert difference(failing, AuthenticationError("x: another page", status=401)) != []


def test_edits_keep_the_rest() -> None:
    """Edited recordings are still read, and differ in nothing but the edit."""
    for recording in CHAT_COMPLETIONS[:4]:
        assert difference(recording, _read(edited(recording, with_unknown_fields, SseFrames()))) == []
        assert _read(edited(recording, without_counts, SseFrames())).usage == Usage()
    ends = frame_ends(STREAM.body, SseFrames())
    assert ends[-1] == len(STREAM.body)


def test_a_body_may_be_binary() -> None:
    """A recording whose body is no text has it in base64."""
    content = {"id": "b", "request": {}, "response": {"status": 200, "headers": {"X-A": "1"}, "body_b64": "AAE="}}
    recording = recording_of(content)
    assert (recording.body, recording.headers) == (b"\x00\x01", {"x-a": "1"})


def test_a_folder_that_is_not_there_is_empty() -> None:
    """Recordings may be missing."""
    assert load_recordings("/nonexistent", "a", "b") == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the shared recordings, beside this repository")
@pytest.mark.parametrize("kind", ["openai-chat", "llamacpp-chat", "ollama-compat-chat"])
def test_the_dialect_reads_what_was_recorded(kind) -> None:
    """The dialect alone, with no vendor's plugin, reads the recordings of the format as the vendors' clients do."""
    from airouter_core.testing.checks.reading import read

    found = {item.id: difference(item, read(WIRE, item)) for item in load_recordings(SHARED, kind)}
    wrong = {key: lines for key, lines in found.items() if lines}
    # One server's code for a prompt that is too long is in its own plugin's table.
    assert all("ContextLengthError" in line for lines in wrong.values() for line in lines)
    assert len(wrong) <= 1
    assert len(found) > 40
