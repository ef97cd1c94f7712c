"""Messages and their parts as values."""

from __future__ import annotations

import base64
import pathlib
import pickle
from typing import Any

import msgspec
import pytest

from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.values.media import decoded, media_type_of
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
from airouter_core.values.request import Request

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def test_text_of_a_message_is_all_its_text() -> None:
    """Text parts are joined; reasoning, refusals and files are not text."""
    message = Message.assistant("a", ReasoningPart("r"), RefusalPart("no"), FilePart("image/png", data=PNG), "b")
    assert message.text == "ab"
    assert message.tool_calls == ()


def test_a_message_takes_a_string_a_part_or_parts() -> None:
    """A string means one text, a part means itself, and an iterable is kept as a tuple."""
    expected = Message("user", (TextPart("a"),))
    assert Message("user", "a") == Message("user", TextPart("a")) == Message("user", [TextPart("a")]) == expected
    assert Message.user("a") == expected
    assert Message.system("a") == Message("system", "a")
    assert isinstance(Message("user", [TextPart("a")]).parts, tuple)


def test_a_role_that_is_none_is_refused() -> None:
    """There are four roles."""
    with pytest.raises(ValueError, match="role"):
        Message("robot", "a")  # type: ignore[arg-type]  # the mistake is the point


def test_tool_calls_keep_their_order() -> None:
    """The calls of a message are those among its parts, in order."""
    calls = (ToolCallPart("1", "a"), ToolCallPart("2", "b"))
    assert Message.assistant(calls[0], "text", calls[1]).tool_calls == calls


def test_a_tool_result_holds_text_and_files() -> None:
    """A result may be a string, a part or several; anything else is refused."""
    assert ToolResultPart("1", "ok").content == (TextPart("ok"),)
    assert ToolResultPart("1", TextPart("ok")).content == (TextPart("ok"),)
    picture = FilePart("image/png", data=PNG)
    both = ToolResultPart("1", [TextPart("a"), picture, TextPart("b")])
    assert both.text == "ab"
    assert both.content[1] is picture
    with pytest.raises(ParameterError, match="text and files"):
        ToolResultPart("1", [ReasoningPart("x")])  # type: ignore[list-item]  # the mistake is the point
    message = Message.tool("1", "ok", name="f", is_error=True)
    assert message.parts == (ToolResultPart("1", "ok", name="f", is_error=True),)


@pytest.mark.parametrize("text", ["", "{}"])
def test_no_arguments_are_an_empty_object(text: str) -> None:
    """A tool without arguments is called with an empty object, however the model says that."""
    assert ToolCallPart("1", "f", text).arguments == {}


def test_arguments_are_parsed() -> None:
    """The arguments of a call are the object that the model wrote."""
    assert ToolCallPart("1", "f", '{"a": [1, "é"]}').arguments == {"a": [1, "é"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [('{"a": ', "no valid JSON"), ("[1]", "no JSON object"), ('"x"', "no JSON object"), ("[" * 200_000, "no valid")],
)
def test_arguments_that_are_none_are_the_models_fault(text: str, message: str) -> None:
    """Arguments cut short, of another type or nested without end are a ProtocolError that names the tool."""
    with pytest.raises(ProtocolError, match=message) as caught:
        _ = ToolCallPart("1", "weather", text).arguments
    assert "'weather'" in str(caught.value)


def test_file_from_path(tmp_path: pathlib.Path) -> None:
    """A file is read at once; its bytes tell what it is, then its name."""
    (tmp_path / "wrong.txt").write_bytes(PNG)
    (tmp_path / "a.txt").write_text("hello")
    picture = FilePart.from_path(tmp_path / "wrong.txt", detail="low")
    assert (picture.media_type, picture.data, picture.name, picture.detail) == ("image/png", PNG, "wrong.txt", "low")
    assert FilePart.from_path(str(tmp_path / "a.txt")).media_type == "text/plain"


@pytest.mark.parametrize("name", ["missing.png", "."])
def test_file_that_cannot_be_read(tmp_path: pathlib.Path, name: str) -> None:
    """A file that is not there, or is a folder, is named with the reason."""
    with pytest.raises(ParameterError, match=r"cannot read .*(No such file|no regular file)") as caught:
        FilePart.from_path(tmp_path / name)
    assert str(tmp_path) in str(caught.value)


def test_an_empty_file_is_refused(tmp_path: pathlib.Path) -> None:
    """There is nothing to send, which vendors say less clearly."""
    (tmp_path / "a.png").touch()
    with pytest.raises(ParameterError, match=r"a\.png' is empty"):
        FilePart.from_path(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("url", "media_type"),
    [
        ("HTTPS://h/a.png", "image/png"),
        ("https://h/a.png", "image/png"),
        ("http://h/a.jpg?size=1.txt", "image/jpeg"),
        ("https://h/picture", "image/*"),
    ],
)
def test_file_from_address(url: str, media_type: str) -> None:
    """An address is kept as it is, and its path tells the media type where it can."""
    part = FilePart.from_url(url)
    assert (part.url, part.media_type, part.data, part.data_url) == (url, media_type, None, url)
    assert part.base64 == ""
    assert part.is_image


def test_file_from_data_url() -> None:
    """A data: URL is taken apart; without a media type the bytes tell."""
    text = base64.b64encode(PNG).decode()
    assert FilePart.from_url(f"data:image/webp;charset=x;base64,{text}") == FilePart("image/webp", data=PNG)
    assert FilePart.from_url(f"data:;base64,{text}") == FilePart("image/png", data=PNG)
    assert FilePart.from_url(f"DATA:image/png;BASE64,{text}") == FilePart("image/png", data=PNG)
    assert FilePart.from_url(f"data:image/gif;base64,{text}", media_type="image/png").media_type == "image/png"
    assert FilePart("image/png", data=PNG).data_url == f"data:image/png;base64,{text}"


@pytest.mark.parametrize(
    "url", ["ftp://h/a.png", "a.png", "", "data:image/png,abc", "data:image/png;base64", "javascript:x"]
)
def test_neither_address_nor_data(url: str) -> None:
    """What is neither an http(s) address nor a base64 data: URL is refused, and shown."""
    with pytest.raises(ParameterError, match=r"no http\(s\) address"):
        FilePart.from_url(url)


def test_file_from_data() -> None:
    """Bytes are taken as they are, a string as base64 with whatever line breaks it has."""
    text = base64.encodebytes(PNG * 20).decode()
    assert FilePart.from_data(text) == FilePart("image/png", data=PNG * 20)
    assert FilePart.from_data(b"x", name="a.pdf") == FilePart("application/pdf", data=b"x", name="a.pdf")
    assert FilePart.from_data(b"x", media_type="audio/wav").media_type == "audio/wav"
    assert FilePart.from_data(b"x").media_type == "application/octet-stream"


@pytest.mark.parametrize("text", ["not base64!", "YQ=", "YQ", "Ý"])
def test_text_that_is_no_base64(text: str) -> None:
    """A string that is no base64 is refused."""
    with pytest.raises(ParameterError, match="no valid base64"):
        decoded(text)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"%PDF-1.7", "application/pdf"),
        (b"OggS", "audio/ogg"),
        (b"ID3\x04", "audio/mpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"RIFF\0\0\0\0AVI ", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_media_type_of_bytes(data: bytes, expected: str) -> None:
    """The first bytes tell what a file is."""
    assert media_type_of(data) == expected


SECRET = "a-signature-that-is-long"


@pytest.mark.parametrize(
    "part",
    [
        TextPart("t", {"p": SECRET}),
        ReasoningPart("t", {"p": SECRET}),
        ToolCallPart("1", "f", "{}", {"p": SECRET}),
        ToolResultPart("1", "ok", provider_metadata={"p": SECRET}),
        FilePart("image/png", data=SECRET.encode(), provider_metadata={"p": SECRET}),
        Message("user", "t", provider_metadata={"p": SECRET}),
    ],
    ids=lambda part: type(part).__name__,
)
def test_metadata_and_bytes_are_not_shown(part: Any) -> None:
    """What providers attach, and the bytes of files, stay out of repr; but they count when parts are compared."""
    assert SECRET not in repr(part)
    assert part == pickle.loads(pickle.dumps(part))
    assert part != msgspec.structs.replace(part, provider_metadata={})


def test_a_request_tells_system_from_conversation() -> None:
    """System messages may stand anywhere, and are joined by blank lines."""
    request = Request(
        model="m",
        messages=(Message.system("a"), Message.user("b"), Message.system("c")),
        parameters={"top_p": 0.5},
    )
    assert request.system_text == "a\n\nc"
    assert request.conversation == (Message.user("b"),)
    assert request.parameter("top_p") == 0.5
    assert request.parameter("top_k", 3) == 3


def test_a_provider_part_names_its_provider() -> None:
    """What only one provider understands is kept with that provider's name."""
    part = ProviderPart("p", {"type": "x"})
    assert Message.assistant(part).parts == (part,)
    assert Message.assistant(part).text == ""
