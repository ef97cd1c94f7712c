"""Messages and tools as plain dicts: every accepted shape, and errors that name the place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.errors import ParameterError
from airouter_core.profile.losses import unsent
from airouter_core.values.message_dicts import messages_from
from airouter_core.values.messages import (
    FilePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.tools import NO_ARGUMENTS, Tool, ToolChoice, tool_choice_from, tools_from

HI = Message.user("hi")


@pytest.mark.parametrize(
    "given_as",
    [
        "hi",
        HI,
        {"role": "user", "content": "hi"},
        [HI],
        (HI,),
        [{"role": "user", "content": "hi"}],
        [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        [{"role": "user", "content": ["hi"]}],
        [{"role": "user", "content": [TextPart("hi")]}],
        [{"role": "user", "content": TextPart("hi")}],
        pytest.param(iter([HI]), id="an iterator"),
    ],
    ids=str,
)
def test_ways_to_say_one_user_message(given_as: Any) -> None:
    """One string, one value, one dict, or a list of values and dicts."""
    assert messages_from(given_as) == (HI,)


ACCEPTED: list[tuple[dict[str, Any], Message]] = [
    ({"role": "system", "content": "s"}, Message.system("s")),
    ({"role": "developer", "content": "s"}, Message.system("s")),
    ({"role": "user", "content": "", "name": "ann"}, Message("user", "", name="ann")),
    ({"role": "user", "content": []}, Message("user", ())),
    ({"role": "assistant", "content": "a"}, Message.assistant("a")),
    ({"role": "assistant", "content": None}, Message("assistant", ())),
    ({"role": "assistant"}, Message("assistant", ())),
    ({"role": "assistant", "content": "a", "reasoning": "r"}, Message.assistant(ReasoningPart("r"), "a")),
    ({"role": "assistant", "content": "a", "reasoning_content": "r"}, Message.assistant(ReasoningPart("r"), "a")),
    ({"role": "assistant", "content": None, "refusal": "no"}, Message.assistant(RefusalPart("no"))),
    ({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, Message.assistant(RefusalPart("no"))),
    (
        {
            "role": "assistant",
            "content": "a",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}],
        },
        Message.assistant("a", ToolCallPart("1", "f", '{"x":1}')),
    ),
    (
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]},
        Message.assistant(ToolCallPart("f", "f", '{"x": 1}')),
    ),
    (
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f"}}]},
        Message.assistant(ToolCallPart("1", "f")),
    ),
    (
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": None}}]},
        Message.assistant(ToolCallPart("1", "f")),
    ),
    ({"role": "tool", "tool_call_id": "1", "content": "ok"}, Message.tool("1", "ok")),
    ({"role": "tool", "tool_call_id": "1", "content": "ok", "name": "f"}, Message.tool("1", "ok", name="f")),
    ({"role": "function", "name": "f", "content": "ok"}, Message.tool("f", "ok", name="f")),
    (
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "a"}]},
        Message.tool("1", "a"),
    ),
    ({"role": "tool", "tool_call_id": "1", "content": None}, Message("tool", (ToolResultPart("1", ()),))),
]


@pytest.mark.parametrize(("given_as", "expected"), ACCEPTED, ids=[str(row[0]) for row in ACCEPTED])
def test_accepted_messages(given_as: dict[str, Any], expected: Message) -> None:
    """Each shape in which chat completions write a message is understood."""
    assert messages_from([given_as]) == (expected,)


PARTS: list[tuple[dict[str, Any], Part]] = [
    ({"type": "text", "text": "t"}, TextPart("t")),
    ({"type": "input_text", "text": "t"}, TextPart("t")),
    ({"type": "output_text", "text": "t"}, TextPart("t")),
    ({"type": "image_url", "image_url": "https://h/a.png"}, FilePart("image/png", url="https://h/a.png")),
    (
        {"type": "image_url", "image_url": {"url": "https://h/a.png", "detail": "low"}},
        FilePart("image/png", url="https://h/a.png", detail="low"),
    ),
    (
        {"type": "input_image", "image_url": "data:image/png;base64,eA==", "detail": "high"},
        FilePart("image/png", data=b"x", detail="high"),
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "eA==", "format": "wav"}},
        FilePart("audio/wav", data=b"x"),
    ),
    (
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,eA==", "filename": "a.pdf"}},
        FilePart("application/pdf", data=b"x", name="a.pdf"),
    ),
    (
        {"type": "file", "file": {"file_data": "https://h/a.pdf"}},
        FilePart("application/pdf", url="https://h/a.pdf"),
    ),
    (
        {"type": "file", "file": {"file_data": "eA==", "filename": "a.pdf"}},
        FilePart("application/pdf", b"x", name="a.pdf"),
    ),
]


@pytest.mark.parametrize(("given_as", "expected"), PARTS, ids=[str(row[0]) for row in PARTS])
def test_accepted_parts(given_as: dict[str, Any], expected: Part) -> None:
    """Each type of part is understood."""
    assert messages_from([{"role": "user", "content": [given_as]}])[0].parts == (expected,)


def part(**item: Any) -> list[Any]:
    return [HI, {"role": "user", "content": ["first", item]}]


REFUSED: list[tuple[Any, str]] = [
    ([], "messages is empty"),
    (None, "messages must be"),
    (7, "messages must be"),
    ([HI, "hi"], r"messages\[1\] must be a Message or a dict, not str"),
    ([HI, {"content": "x"}], r"messages\[1\]: role must be one of .*user.*, not None"),
    ([{"role": "robot", "content": "x"}], r"messages\[0\]: role must be one of .*, not 'robot'"),
    ([{"role": "user"}], r"messages\[0\]: a user message needs content"),
    ([{"role": "system", "content": None}], r"messages\[0\]: a system message needs content"),
    ([{"role": "user", "content": 7}], r"messages\[0\]: content must be a string or a list of parts, not int"),
    ([{"role": "user", "content": {"type": "text"}}], r"messages\[0\]: content must be .*, not dict"),
    ([{"role": "user", "content": b"x"}], r"messages\[0\]: content must be .*, not bytes"),
    ([{"role": "tool", "content": "x"}], r"messages\[0\]: a tool message needs the tool_call_id"),
    (
        [{"role": "tool", "tool_call_id": "c", "content": [{"type": "refusal", "refusal": "no"}]}],
        r"messages\[0\]: a tool result holds text and files only",
    ),
    ([{"role": "assistant", "tool_calls": ["f"]}], r"messages\[0\]: a tool call needs a function with a name"),
    ([{"role": "assistant", "tool_calls": [{"function": {}}]}], r"messages\[0\]: a tool call needs a function"),
    ([{"role": "assistant", "tool_calls": 7}], r"messages\[0\]: tool_calls must be a list"),
    (
        [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"x": object()}}}]}],
        r"messages\[0\]: the arguments of tool call 'f' cannot be written as JSON",
    ),
    ([{"role": "user", "content": [7]}], r"messages\[0\]\.content\[0\] must be a part or a dict, not int"),
    (part(), r"messages\[1\]\.content\[1\]: unknown part type None; known are text, image_url"),
    (part(type="video"), r"messages\[1\]\.content\[1\]: unknown part type 'video'"),
    (part(type="text"), r"messages\[1\]\.content\[1\]: a part of type 'text' lacks 'text'"),
    (part(type="text", text=None), r"messages\[1\]\.content\[1\]: text must be a string, not NoneType"),
    (part(type="refusal", refusal=7), r"messages\[1\]\.content\[1\]: refusal must be a string, not int"),
    (part(type="image_url"), r"messages\[1\]\.content\[1\]: a part of type 'image_url' lacks 'image_url'"),
    (part(type="image_url", image_url={}), r"messages\[1\]\.content\[1\]: a part of type 'image_url' lacks 'url'"),
    (part(type="image_url", image_url=None), r"messages\[1\]\.content\[1\]"),
    (
        part(type="image_url", image_url={"url": None}),
        r"messages\[1\]\.content\[1\]: url must be a string, not NoneType",
    ),
    (part(type="image_url", image_url="a.png"), r"messages\[1\]\.content\[1\]: 'a.png' is no http"),
    (part(type="input_audio", input_audio={"format": "wav"}), r"messages\[1\]\.content\[1\]: .* lacks 'data'"),
    (part(type="input_audio", input_audio={"data": "eA=="}), r"messages\[1\]\.content\[1\]: .* lacks 'format'"),
    (
        part(type="input_audio", input_audio={"data": 7, "format": "wav"}),
        r"messages\[1\]\.content\[1\]: data must be a string, not int",
    ),
    (
        part(type="input_audio", input_audio={"data": "!", "format": "wav"}),
        r"messages\[1\]\.content\[1\]: .*base64",
    ),
    (part(type="file", file={"file_id": "f"}), r"messages\[1\]\.content\[1\]: a part of type 'file' lacks 'file_data'"),
    (part(type="file", file={"file_data": 7}), r"messages\[1\]\.content\[1\]: file_data must be a string, not int"),
]


@pytest.mark.parametrize(("given_as", "message"), REFUSED, ids=[str(row[0])[:80] for row in REFUSED])
def test_refused_messages(given_as: Any, message: str) -> None:
    """What cannot be understood is an error that names the place in the list, and what is wrong there."""
    with pytest.raises(ParameterError, match=message):
        messages_from(given_as)


def test_tool_results_stand_in_tool_messages_only() -> None:
    """A result anywhere else, or a tool message of anything else, would never be sent; so it is an error."""
    with pytest.raises(ParameterError, match=r"messages\[1\]: a tool result belongs in a message of role tool"):
        messages_from([HI, Message.user(ToolResultPart("1", "ok"))])
    with pytest.raises(ParameterError, match=r"messages\[0\]: a message of role tool holds tool results only"):
        messages_from([Message("tool", "ok")])


KEYS = st.sampled_from(
    [
        *["role", "content", "type", "text", "image_url", "url", "tool_calls", "function", "name", "arguments", "id"],
        *["tool_call_id", "file", "file_data", "input_audio", "data", "format", "refusal", "reasoning"],
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
SHAPES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "function"])},
    optional={
        "content": JSON
        | st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["text", "image_url", "input_audio", "file", "refusal"])},
                optional={"text": JSON, "image_url": JSON, "input_audio": JSON, "file": JSON, "refusal": JSON},
            )
        ),
        "tool_calls": JSON,
        "reasoning": JSON,
        "tool_call_id": JSON,
    },
)


@given(SHAPES | JSON)
def test_any_json_is_understood_or_refused(value: Any) -> None:
    """Whatever JSON is given for a message, it becomes one whose texts are texts, or is a ParameterError."""
    message = None
    said = ""
    try:
        (message,) = messages_from([value])
    except ParameterError as error:
        said = str(error)
    if message is None:
        assert "messages[0]" in said
        return
    assert isinstance(message.text, str)
    for item in message.parts:
        assert all(isinstance(text, str) for text in [getattr(item, "text", ""), getattr(item, "arguments_json", "")])


SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("given_as", "expected"),
    [
        (Tool("f"), Tool("f")),
        ({"name": "f"}, Tool("f", None, NO_ARGUMENTS)),
        ({"type": "function", "function": {"name": "f"}}, Tool("f")),
        ({"name": "f", "description": "d", "parameters": SCHEMA}, Tool("f", "d", SCHEMA)),
        ({"name": "f", "input_schema": SCHEMA}, Tool("f", None, SCHEMA)),
        (
            {"type": "function", "function": {"name": "f", "parameters": SCHEMA, "strict": True}},
            Tool("f", None, SCHEMA, True),
        ),
        ({"name": "f", "parameters": None}, Tool("f")),
    ],
)
def test_accepted_tools(given_as: Any, expected: Tool) -> None:
    """A tool may be a value, a nested dict or a flat one."""
    assert tools_from([given_as]) == (expected,)


@pytest.mark.parametrize(
    ("given_as", "message"),
    [
        (["f"], "must be a Tool or a dict, not str"),
        ([{"description": "d"}], "has no name"),
        ([{"type": "function", "function": "f"}], "has no name"),
        ([{"name": "f", "parameters": "x"}], "tool 'f': the schema of the arguments must be a mapping"),
        ([Tool("f"), {"name": "f"}], "two tools are called f"),
        (7, "tools must be"),
    ],
)
def test_refused_tools(given_as: Any, message: str) -> None:
    """A tool without a name, with a schema that is none, or given twice, is an error."""
    with pytest.raises(ParameterError, match=message):
        tools_from(given_as)


def test_no_tools() -> None:
    """No tools may be said as None or as an empty list."""
    assert tools_from(None) == tools_from([]) == ()


TOOLS = (Tool("f"), Tool("g"))


@pytest.mark.parametrize(
    ("given_as", "expected"),
    [
        (None, None),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ("f", ToolChoice("tool", "f")),
        ({"type": "function", "function": {"name": "g"}}, ToolChoice("tool", "g")),
        ({"type": "tool", "name": "g"}, ToolChoice("tool", "g")),
        (ToolChoice("tool", "f"), ToolChoice("tool", "f")),
    ],
)
def test_accepted_tool_choices(given_as: Any, expected: ToolChoice | None) -> None:
    """A choice may be a word, a tool's name, a dict or a value."""
    assert tool_choice_from(given_as, TOOLS) == expected


@pytest.mark.parametrize(
    ("given_as", "tools", "message"),
    [
        ("h", TOOLS, r"names 'h', which is not among the tools given \(f, g\)"),
        ("f", (), r"not among the tools given \(none\)"),
        (ToolChoice("tool", "h"), TOOLS, "names 'h'"),
        ({"type": "any"}, TOOLS, "names no tool"),
        ({"function": {"name": 7}}, TOOLS, "names no tool"),
        ("required", (), "there is no tool to call"),
        (7, TOOLS, "tool_choice must be"),
    ],
)
def test_refused_tool_choices(given_as: Any, tools: tuple[Tool, ...], message: str) -> None:
    """A choice that names no tool, one that is not there, or that cannot be met, is an error."""
    with pytest.raises(ParameterError, match=message):
        tool_choice_from(given_as, tools)


@pytest.mark.parametrize(
    "part", [ToolCallPart("c", "f"), ReasoningPart("hm"), RefusalPart("no")], ids=lambda part: type(part).__name__
)
@pytest.mark.parametrize("role", ["user", "system"])
def test_what_only_the_assistant_says_is_refused_elsewhere(role: Any, part: Any) -> None:
    """A call, a thought or a refusal in the mouth of another would be lost on the way."""
    with pytest.raises(ParameterError, match=r"messages\[1\]: a \w+Part belongs in a message of role assistant"):
        messages_from([Message.user("hi"), Message(role, (TextPart("a"), part))])


def test_an_unknown_field_of_a_tools_result_is_told() -> None:
    """A field that no provider is known to take is kept apart, and told as not sent."""
    said = {"role": "tool", "tool_call_id": "c", "content": "x", "cache_control": {"type": "ephemeral"}}
    notes = list(unsent(messages_from([said]), "p", (), takes_field=lambda field: True))
    assert [("cache_control" in note, "was not sent" in note) for note in notes] == [(True, True)]
    assert not list(unsent(messages_from([{**said, "cache_control": None}]), "p", (), takes_field=lambda field: True))
