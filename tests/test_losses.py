"""What an API has no place for is found in a conversation, and told in one sentence for each kind."""

from __future__ import annotations

import pytest

from airouter_core.profile.losses import Loss, unsent
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

CALL = Message.assistant(ToolCallPart("c", "look"))
PICTURE, PAPER = FilePart("image/png", data=b"x", name="x.png"), FilePart("application/pdf", data=b"x", name="x.pdf")

HELD = {
    "a name": (Loss.NAMES, Message("user", "hi", name="ada")),
    "the name of a message of the role tool": (Loss.TOOL_NAMES, Message("tool", ToolResultPart("c", "x"), name="look")),
    "another name than the call's": (Loss.RESULT_NAMES, Message.tool("c", "x", name="find")),
    "an error": (Loss.ERRORS, Message.tool("c", "x", is_error=True)),
    "a thought": (Loss.THOUGHTS, Message.assistant(ReasoningPart("hm"))),
    "its own sealed thought": (Loss.THOUGHTS, Message.assistant(ReasoningPart("", {"mine": {"data": "x"}}))),
    "a picture of the assistant": (Loss.PICTURES_OF_ASSISTANT, Message.assistant(PICTURE)),
    "a paper of the assistant": (Loss.FILES_OF_ASSISTANT, Message.assistant(PAPER)),
    "a close look": (Loss.PICTURE_DETAIL, Message.user(FilePart("image/png", url="https://a/b", detail="high"))),
    "a close look at a paper": (Loss.FILE_DETAIL, Message.user(FilePart("application/pdf", data=b"", detail="low"))),
    "a close look in a result": (
        Loss.PICTURE_DETAIL,
        Message("tool", ToolResultPart("c", [FilePart("image/png", data=b"", detail="high")])),
    ),
    "arguments cut by a limit": (Loss.ARGUMENTS, Message.assistant(ToolCallPart("d", "f", '{"a": '))),
    "arguments that are a list": (Loss.ARGUMENTS, Message.assistant(ToolCallPart("d", "f", "[1]"))),
    "its own part": (Loss.OWN_PARTS, Message.user(ProviderPart("mine", {}))),
}


def said(*messages: Message, lacks: frozenset[Loss] = frozenset(Loss)) -> list[str]:
    return list(unsent(messages, "mine", lacks, takes_field=lambda field: True))


@pytest.mark.parametrize("case", HELD)
def test_what_is_held_and_lacked_is_told(case: str) -> None:
    """Once, however often it is there, and only where the API lacks it."""
    loss, message = HELD[case]
    assert said(CALL, message, message) == [f"{loss.value}: this API has no place for that"]
    narrower = {Loss.THOUGHTS_OF_OTHERS, Loss.SEALED_THOUGHTS} if loss is Loss.THOUGHTS else set()
    assert said(CALL, message, lacks=frozenset(Loss) - {loss} - narrower) == []


def test_a_thought_sealed_by_another() -> None:
    """It is lost also where thoughts are sent; one with words is not."""
    sealed = Message.assistant(ReasoningPart("", {"other": {"data": "x"}}))
    lacks = frozenset(Loss) - {Loss.THOUGHTS, Loss.THOUGHTS_OF_OTHERS}
    assert said(sealed, lacks=lacks) == [f"{Loss.SEALED_THOUGHTS.value}: this API has no place for that"]
    assert said(Message.assistant(ReasoningPart("hm", {"other": {"data": "x"}})), lacks=lacks) == []


def test_thoughts_that_were_had_elsewhere() -> None:
    """An API that takes back only its own thoughts loses those of others, which is said once, not in two ways."""
    own, other = (Message.assistant(ReasoningPart("", {name: {"data": "x"}})) for name in ("mine", "other"))
    lacks = frozenset(Loss) - {Loss.THOUGHTS}
    assert said(own, lacks=lacks) == []
    assert said(own, other, lacks=lacks) == [f"{Loss.THOUGHTS_OF_OTHERS.value}: this API has no place for that"]


def test_what_loses_nothing_is_not_told() -> None:
    """Texts, the name that a call has anyway, the usual detail, names of files, and what is another provider's."""
    assert (
        said(
            Message.system("Be brief."),
            Message.user("hi", TextPart("there", {"other": {"x": 1}}), PICTURE, PAPER),
            Message.user(FilePart("image/png", url="https://a/b", detail="auto")),
            CALL,
            Message.tool("c", "x", name="look"),
            Message.assistant("no", RefusalPart("never")),
        )
        == []
    )


def test_fields_inside_results_are_told() -> None:
    """A field that nobody here knows is found in the texts of a tool's result as well."""
    text = TextPart("x", {"*": {"cache_control": {"type": "ephemeral"}}})
    messages = [Message("tool", ToolResultPart("c", text))]
    assert list(unsent(messages, "mine", (), takes_field=lambda field: False)) == [
        "messages[0]: the field 'cache_control' was not sent: mine is not known to take it"
    ]
    assert list(unsent(messages, "mine", (), takes_field=lambda field: True)) == []


def test_fields_inside_objects_are_told() -> None:
    """What stands beside a picture's address or a function's name is sent to nobody, whatever else a provider takes."""
    picture = {"type": "image_url", "image_url": {"url": "https://a/b.png", "max_pixels": 9, "detail": "low"}}
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}", "strict": True}}
    messages = messages_from(
        [{"role": "user", "content": [picture]}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    )
    assert list(unsent(messages, "mine", (), takes_field=lambda field: True)) == [
        "messages[0]: the field 'image_url.max_pixels' was not sent: mine is not known to take it",
        "messages[1]: the field 'function.strict' was not sent: mine is not known to take it",
    ]
