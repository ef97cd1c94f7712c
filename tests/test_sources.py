"""Texts and files from elsewhere: by path, by name, from public web addresses, and from no other."""

from __future__ import annotations

import contextlib
import gzip
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core import FilePart, Message, attachment, fragment
from airouter_core.cli.own_files.fragments import FRAGMENTS
from airouter_core.cli.questions import fetching
from airouter_core.cli.questions.fetching import fetch
from airouter_core.errors import ExecutionError, ParameterError, TransportError
from airouter_core.testing.fakes import FakeProvider, fake_provider
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.media import is_textual, media_type_of_file
from airouter_core.values.texts import named_text, text_of
from airouter_core.wire.hosts import is_public

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)

Serve = Callable[[Callable[[ReceivedRequest], Answer]], str]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve on an address that counts as public in this test: 127.0.0.1, and no other."""
    monkeypatch.setattr(fetching, "is_public", lambda address: address == "127.0.0.1")
    with contextlib.ExitStack() as stack:

        def serve(answer: Callable[[ReceivedRequest], Answer]) -> str:
            def behave(request: ReceivedRequest, connection: Connection) -> None:
                connection.answer(answer(request))

            return stack.enter_context(LoopbackServer(behave)).url

        yield serve


# What is public.


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    """Of both kinds, and IPv4 ones in the clothes of IPv6."""
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)  # fmt: skip
def test_addresses_of_a_house_or_a_machine_are_not(address: str) -> None:
    """Loopback, private, link-local (where clouds keep their keys), shared, multicast, also where IPv6 carries them."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:1/", "http://127.0.0.1/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/", "http://0/",
        "http://[::ffff:7f00:1]/", "http://169.254.169.254/latest/meta-data/", "http://192.168.0.1/",
    ],
)  # fmt: skip
def test_what_is_not_public_is_not_asked(url: str) -> None:
    """However it is written: what counts is where the name leads."""
    with pytest.raises(ParameterError, match="no public address"):
        fetch(url)


@pytest.mark.parametrize(
    "url", ["ftp://example.com/a", "http://", "http:///a", "https://a b/", "http://a:x/", "file:///etc/passwd"]
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    """With the address in the message."""
    with pytest.raises(ParameterError, match="no http"):
        fetch(url)


def test_passwords_in_addresses_are_refused_and_not_told() -> None:
    """They would stand in a history of the shell, and in the error."""
    with pytest.raises(ParameterError, match="password") as caught:
        fetch("https://somebody:hunter22@example.com/")
    assert "hunter22" not in str(caught.value)


def test_a_name_that_leads_into_the_house_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One private address among public ones is enough, since nobody knows which would be asked."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(fetching.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ParameterError, match=r"http://inside\.example is no public address, which is 10\.0\.0\.1 here"):
        fetch("http://inside.example/")


# What is read of the web.


def test_an_address_is_read(public: Serve) -> None:
    """Its path and question, with what the server says it is; compressed or not."""

    def answer(request: ReceivedRequest) -> Answer:
        assert request.path == "/a?b=c"
        assert request.headers["host"] in address
        assert "authorization" not in request.headers
        said = {"content-type": "Text/Plain; charset=ISO-8859-1", "content-encoding": "gzip"}
        return Answer(200, said, (gzip.compress(b"caf\xe9"),))

    address = public(answer)
    got = fetch(f"{address}/a?b=c")
    assert (got.data, got.media_type, got.charset) == (b"caf\xe9", "text/plain", "iso-8859-1")
    assert "café" in fragment(f"{address}/a?b=c").text


@pytest.mark.parametrize("place", ["http://10.0.0.1/", "http://localhost/", "//[::1]/", "http://169.254.169.254/x"])
def test_a_redirect_leads_nowhere_else(public: Serve, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address on the way is looked at like the first one."""
    monkeypatch.setattr(fetching.socket, "getaddrinfo", _resolver({"localhost": "127.0.0.2"}))
    address = public(lambda _: Answer(302, {"location": place}, (), "length"))
    with pytest.raises(ParameterError, match="no public address"):
        fetch(address)


@pytest.mark.parametrize("place", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://user:word@127.0.0.1/"])
def test_a_redirect_changes_no_scheme(public: Serve, place: str) -> None:
    """What is no web address is none behind a redirect either."""
    address = public(lambda _: Answer(307, {"location": place}, (), "length"))
    with pytest.raises(ParameterError):
        fetch(address)


def test_redirects_are_followed_and_counted(public: Serve) -> None:
    """Some are usual; a circle is an error."""

    def answer(request: ReceivedRequest) -> Answer:
        step = int(request.path.strip("/") or 0)
        if step == 3:
            return Answer(200, {}, (b"there",))
        return Answer(301, {"location": f"/{step + 1}"}, (), "length")

    address = public(answer)
    assert fetch(address).data == b"there"
    assert fetch(address).url == f"{address}/3"
    with pytest.raises(ExecutionError, match="without end"):
        fetch(f"{address}/4")


def test_the_connection_goes_to_the_address_that_was_looked_at(public: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that answers the second time with another address is not asked a second time."""
    address = public(lambda _: Answer(200, {}, (b"seen",)))
    port = address.rpartition(":")[2]
    asked = []

    def resolve(host: str, port: int, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port))]

    original = socket.getaddrinfo
    monkeypatch.setattr(
        fetching.socket,
        "getaddrinfo",
        lambda host, *rest, **more: (resolve if host == "twice.example" else original)(host, *rest, **more),
    )
    assert fetch(f"http://twice.example:{port}/").data == b"seen"
    assert asked == ["twice.example"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Answer(404, {}, (b"no",)), "answered 404"),
        (Answer(200, {}, (b"x" * 3000,)), "more than 2000 bytes"),
        (Answer(200, {"content-encoding": "gzip"}, (gzip.compress(bytes(10**6)),)), "more than 2000 bytes"),
        (Answer(200, {"content-encoding": "gzip"}, (b"no gzip at all",)), "cannot read"),
    ],
)
def test_what_cannot_be_read_is_an_error(public: Serve, answer: Answer, message: str) -> None:
    """An error of ours, which names the place; a little file that unpacks to a large one is a large one."""
    address = public(lambda _: answer)
    with pytest.raises(ExecutionError, match=message):
        fetch(address, limit=2000)


def test_nobody_there_is_a_transport_error(public: Serve) -> None:
    """With the system's words."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(TransportError, match="refused"):
            fetch(f"http://127.0.0.1:{unused.getsockname()[1]}/")


def test_a_proxy_is_passed_by(public: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind one nobody could say who is asked."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert fetch(public(lambda _: Answer(200, {}, (b"direct",)))).data == b"direct"


def _resolver(known: dict[str, str]) -> Callable[..., list[object]]:
    def resolve(host: str, port: int, *_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known.get(host, host), port))]

    return resolve


# Texts and files.


def test_a_fragment_is_a_text_under_its_name(tmp_path: Path) -> None:
    """By path, and by a name of the user's, which leads to a path from every folder."""
    (tmp_path / "notes.md").write_text("# Notes\n\n")
    assert fragment("notes.md").text == '<document name="notes.md">\n# Notes\n</document>\n\n'
    FRAGMENTS.set("rules", str(tmp_path / "notes.md"))
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    assert "# Notes" in fragment("rules").text
    (tmp_path / "elsewhere" / "rules").write_text("a file")
    assert "# Notes" in fragment("rules").text
    assert "a file" in fragment("./rules").text


def test_what_is_no_text_is_no_fragment(tmp_path: Path) -> None:
    """A picture, and bytes of nobody knows what; the error says what it is and what to do."""
    (tmp_path / "a.txt").write_bytes(PNG)
    with pytest.raises(ParameterError, match=r"a\.txt is no text in UTF-8 \(image/png\)"):
        fragment("a.txt")
    (tmp_path / "b").write_bytes(b"caf\xe9")
    with pytest.raises(ParameterError, match="convert it"):
        fragment("b")
    with pytest.raises(ParameterError, match="cannot read 'c'"):
        fragment("c")


def test_a_pipe_of_the_shell_is_read(tmp_path: Path) -> None:
    """As ``<(command)`` makes one: it has a path, and is read to its end."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_text("through a pipe"))
    writer.start()
    assert "through a pipe" in fragment(tmp_path / "pipe").text
    writer.join()


@pytest.mark.parametrize(
    ("name", "data", "media_type"),
    [
        ("a.png", PNG, "image/png"),
        ("a.txt", PNG, "image/png"),
        ("a.png", b"words", "text/plain"),
        ("a.md", b"words", "text/markdown"),
        ("a.txt", b"\0\1\2", "application/octet-stream"),
        ("a", b"words", "text/plain"),
        ("a", "wörter".encode() * 1000, "text/plain"),
        ("a", b"\xff\xfeh\0i\0", "text/plain"),
        ("a", b"%PDF-1.7", "application/pdf"),
        ("a", b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        ("a", b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        ("a.heic", b"\0\0\0\x18ftypheic", "image/heic"),
        ("a", b"\0\0\0\x18ftypisom", "video/mp4"),
        ("a", b"BM wrote this", "text/plain"),
        ("a", b"BM\x8a\0\0\0", "image/bmp"),
        ("a", b"", "application/octet-stream"),
        ("a.zip", b"PK\3\4\0", "application/zip"),
        ("a.rb", b"puts 1", "text/plain"),
        ("a.svg", b"<svg/>", "text/plain"),
        ("a.json", b"{}", "application/json"),
    ],
)
def test_a_file_is_what_its_bytes_say(name: str, data: bytes, media_type: str) -> None:
    """Before what its name says, which is believed where the bytes say nothing."""
    assert media_type_of_file(data, name) == media_type


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_texts_are_told_in_each_encoding_that_says_what_it_is(text: str) -> None:
    """UTF-8 with and without its mark, UTF-16 with one."""
    plain = text.removeprefix("\ufeff")
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert text_of(plain.encode(encoding)) == plain


def test_files_of_text_are_words_for_whom_takes_no_documents(tmp_path: Path) -> None:
    """Put in under their names, and told; a PDF is refused as before, and who takes documents gets them."""
    (tmp_path / "table.csv").write_text("a,b")
    message = Message.user(attachment("table.csv"), "Sum it.")
    without = _taking(())
    response = without.chat("m", [message])
    assert without.asked[0].messages[0].text == named_text("table.csv", "a,b") + "Sum it."
    assert response.warnings == ("table.csv was put in as text: fake takes no documents",)
    with_documents = _taking(("documents",))
    assert with_documents.chat("m", [message]).warnings == ()
    assert isinstance(with_documents.asked[0].messages[0].parts[0], FilePart)


def _taking(more: tuple[str, ...]) -> FakeProvider:
    provider = fake_provider("done")
    info = msgspec.structs.replace(provider.info, capabilities=("chat", "stream", *more))
    return FakeProvider(["done"], info, None)


@pytest.mark.parametrize(
    ("media_type", "textual"),
    [("text/csv", True), ("application/json", True), ("application/ld+json", True), ("image/svg+xml", True),
     ("application/pdf", False), ("image/png", False)],
)  # fmt: skip
def test_which_types_are_text(media_type: str, textual: bool) -> None:
    """Those that people read and write as such, whatever their type begins with."""
    assert is_textual(media_type) is textual
