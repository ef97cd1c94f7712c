"""What of a request is put right before it is sent."""

from __future__ import annotations

from typing import Any

import pytest

from airouter_core.profile.mending import mended
from airouter_core.values.messages import FilePart, Message, TextPart, ToolCallPart, ToolResultPart
from airouter_core.values.request import Request

JPEG = b"\xff\xd8\xff\xe0 picture"
PNG = b"\x89PNG\r\n\x1a\n picture"


def request(*messages: Message, **parameters: Any) -> Request:
    return Request(model="m", messages=messages, parameters=parameters)


@pytest.mark.parametrize(
    "around", [lambda part: Message.user("look", part), lambda part: Message("tool", ToolResultPart("c", [part]))]
)
def test_a_picture_goes_out_under_the_name_of_its_format(around: Any) -> None:
    """A label that the bytes contradict is put right, and told; everything else of the picture stays."""
    wrong = FilePart("image/png", data=JPEG, name="a.png", detail="low")
    made, notes = mended(request(Message.user("hi"), around(wrong)))
    assert made == request(Message.user("hi"), around(FilePart("image/jpeg", data=JPEG, name="a.png", detail="low")))
    assert len(notes) == 1
    assert "messages[1]" in notes[0]
    assert "image/jpeg" in notes[0]


@pytest.mark.parametrize(
    "part",
    [
        FilePart("image/jpeg", data=JPEG),
        FilePart("image/jpg", data=JPEG),
        FilePart("image/png", data=PNG),
        FilePart("image/x-new", data=b"unheard of"),
        FilePart("image/png", data=b""),
        FilePart("image/png", url="https://example.com/a.jpg"),
        FilePart("application/pdf", data=JPEG),
    ],
    ids=repr,
)
def test_a_label_that_nothing_contradicts_stays(part: FilePart) -> None:
    """Bytes that are not known tell nothing, and a file of another kind is none of our business."""
    asked = request(Message.user("look", part))
    made, notes = mended(asked)
    assert (made is asked, notes) == (True, [])


@pytest.mark.parametrize(
    ("stop", "sent"), [(("", "END"), {"stop": ("END",)}), (("",), {}), (("END",), None), (("\n",), None)]
)
def test_empty_texts_in_stop_are_left_out(stop: Any, sent: Any) -> None:
    """An empty text stops nothing, and is refused; what is blank may be meant, and stays."""
    asked = request(Message.user("hi"), stop=stop, temperature=0)
    made, notes = mended(asked)
    if sent is None:
        assert (made is asked, notes) == (True, [])
    else:
        assert made.parameters == {"temperature": 0, **sent}
        assert "stop" in notes[0]


def test_a_name_has_characters_that_are_taken() -> None:
    """Blanks and brackets in the name of who speaks are replaced, and that is told."""
    made, notes = mended(request(Message("user", "hi", name="Jörg <Müller>"), Message("user", "ho", name="ada")))
    assert [message.name for message in made.messages] == ["Jörg_Müller_", "ada"]
    assert ["messages[0]" in note for note in notes] == [True]


def called(*ids: str) -> Message:
    return Message.assistant(*(ToolCallPart(one, "f", "{}") for one in ids))


def told(*ids: str) -> Message:
    return Message("tool", tuple(ToolResultPart(one, f"of {one}") for one in ids))


def test_a_call_without_a_result_gets_one() -> None:
    """A conversation that was interrupted while a tool ran goes on: vendors refuse a call without its result."""
    more = Message.user("never mind")
    made, notes = mended(request(Message.user("hi"), called("a", "b"), told("a"), more))
    assert made.messages[:3] == (Message.user("hi"), called("a", "b"), told("a"))
    (result,) = made.messages[3].parts
    assert isinstance(result, ToolResultPart)
    assert (result.tool_call_id, result.name, result.is_error) == ("b", "f", True)
    assert "no result" in result.text
    assert made.messages[4] == more
    assert "messages[1]" in notes[0]


def test_a_result_stands_behind_its_call() -> None:
    """One that came late, when the user had said something already, is put where vendors want it."""
    late = request(called("a"), Message.user("are you there?"), told("a"), Message.assistant("Yes."), Message.user("!"))
    made, notes = mended(late)
    assert [message.role for message in made.messages] == ["assistant", "tool", "user", "assistant", "user"]
    assert len(notes) == 1


def test_calls_in_several_messages_are_one_turn() -> None:
    """As some formats have them: their results stand behind all of them, together or one by one."""
    for results in ((told("a", "b"),), (told("b"), told("a"))):
        asked = request(Message.user("hi"), called("a"), called("b"), *results, Message.user("!"))
        assert mended(asked) == (asked, [])


def test_what_is_called_last_is_left_alone() -> None:
    """Whoever sends a call at the end, or results of calls that are elsewhere, knows what it is for."""
    for messages in ((Message.user("hi"), called("a")), (told("x"), Message.user("hi")), (called("a"), told("a"))):
        asked = request(*messages)
        assert mended(asked) == (asked, [])


def test_what_is_right_is_not_copied() -> None:
    """Nothing is made anew where there is nothing to put right."""
    asked = request(
        Message.system("s"),
        Message.assistant("a", ToolCallPart("c", "f", "{}")),
        Message("tool", ToolResultPart("c", [TextPart("x")])),
    )
    assert mended(asked)[0] is asked
