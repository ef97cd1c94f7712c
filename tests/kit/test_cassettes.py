"""Traffic recorded with vcrpy: replayed end to end without a network, and without a secret in the file."""

from __future__ import annotations

import contextlib
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import pytest
import test_sample_conformance as sound
from sample_plugin import DIALECT

from airouter_core.errors import AirouterError, ProtocolError
from airouter_core.testing.cassettes import cassette, recordings_in, without_secrets
from airouter_core.testing.recordings import pieces, wire_events
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.testing.subject import CANARY
from airouter_core.values.folding import fold

MAIL = "someone@example.org"
ACCOUNT = "org-AbCdEfGhIjKlMnOpQr"


HALVES = sound.TestSample.halves


@pytest.fixture(params=HALVES, ids=lambda half: half.name)
def subject(request):
    return sound.TestSample().by(request.param)


@pytest.fixture(params=HALVES, ids=lambda half: f"replayed {half.name}")
def other(request):
    return sound.TestSample().by(request.param)


def _answering(subject):
    samples = {recording.stream: recording for recording in (subject.good(stream=False), subject.good(stream=True))}

    def behave(request, connection):
        answer = samples[subject.asks_for_stream(request)].answer()
        headers = {**answer.headers, "openai-organization": ACCOUNT, "set-cookie": "session=abc", "x-request-id": "r1"}
        connection.answer(Answer(200, headers, answer.pieces))

    return LoopbackServer(behave)


def test_traffic_is_recorded_and_replayed(subject, other, tmp_path) -> None:
    """What was recorded once is answered again with the server gone, whole and streamed, whichever half asks."""
    path = tmp_path / "hello.yaml"
    with _answering(subject) as server:
        url = server.url
        with cassette(path, record=True), subject.provider(server) as provider:
            recorded = [subject.ask(provider, stream=stream) for stream in (False, True)]
    with cassette(path), other.provider(url) as provider:
        replayed = [other.ask(provider, stream=stream) for stream in (False, True)]
    assert replayed == recorded
    assert replayed[0].text == subject.good(stream=False).expected["text"]


def test_a_cassette_holds_no_secret(subject, tmp_path) -> None:
    """Keys, cookies, accounts and mail addresses are not in the file, wherever they stood."""
    path = tmp_path / "secret.yaml"
    recorded = cassette(path, record=True, secrets=("my own secret",))
    with _answering(subject) as server, recorded, subject.provider(server) as provider:
        provider.chat("m", f"I am {MAIL} of {ACCOUNT}; my own secret is sk-abcdefghijklmnopqrstuvwx")
    text = path.read_text()
    for secret in (CANARY, MAIL, ACCOUNT, "session=abc", "my own secret", "sk-abcdefghij"):
        assert secret not in text
    assert "r1" in text


def test_a_cassette_feeds_the_parser_in_pieces(subject, tmp_path) -> None:
    """The same file gives recordings, whose bytes may be cut anywhere."""
    path = tmp_path / "pieces.yaml"
    with _answering(subject) as server, cassette(path, record=True), subject.provider(server) as provider:
        whole = subject.ask(provider, stream=True)
    (recording,) = recordings_in(path)
    assert recording.stream
    assert recording.request["json"]["stream"] is True
    again = fold(wire_events(DIALECT.wire(), recording, lambda data: pieces(data, 3)))
    assert (again.text, again.usage) == (whole.text, whole.usage)


FRAME = b"\x00\x00\x00\x2a\xff\xfe of bytes"
EVENTS = {"content-type": "application/vnd.amazon.eventstream"}


def _asked(subject, path, body, *secrets) -> None:
    answer = Answer(200, EVENTS, (body,))
    server = LoopbackServer(lambda request, connection: connection.answer(answer))
    recorded = cassette(path, record=True, secrets=secrets)
    with server, recorded, subject.provider(server) as provider, contextlib.suppress(ProtocolError):
        subject.ask(provider, stream=True)


def test_bytes_that_are_no_text_are_kept_as_they_are(subject, tmp_path) -> None:
    """Binary streams are recorded byte for byte, and known to be streams."""
    _asked(subject, tmp_path / "binary.yaml", FRAME)
    (recording,) = recordings_in(tmp_path / "binary.yaml")
    assert (recording.body, recording.stream) == (FRAME, True)


def test_bytes_that_hold_a_secret_are_not_kept(subject, tmp_path) -> None:
    """A secret cannot be cut out of frames with checksums, so that such an answer is refused, not damaged."""
    with pytest.raises(AirouterError, match="looks like a secret"):
        _asked(subject, tmp_path / "secret.yaml", FRAME + b"my own secret", "my own secret")


def test_what_was_not_recorded_is_an_error(subject, tmp_path) -> None:
    """A replay asks no network: a question that is not in the file fails, and names the file."""
    path = tmp_path / "one.yaml"
    with _answering(subject) as server:
        with cassette(path, record=True), subject.provider(server) as provider:
            subject.ask(provider)
        with cassette(path), subject.provider(server) as provider, pytest.raises(Exception, match=r"one\.yaml"):
            provider.chat("m", "Another question")
        assert len(server.requests) == 1


def test_what_is_no_secret_stays() -> None:
    """Texts that only look a little like a secret are kept."""
    text = "a task-oriented user-defined key_value, 3 tokens, gpt-4.1-mini, chatcmpl-AbCdEfGhIjKlMnOpQrSt"
    assert without_secrets(text) == text
