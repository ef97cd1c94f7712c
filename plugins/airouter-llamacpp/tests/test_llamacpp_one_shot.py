"""llama-cli: how a conversation gets in, and how the answer is told from all else that it writes."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.errors import ParameterError, ProtocolError, TransportTimeoutError
from airouter_core.values.ask import Ask
from airouter_core.values.events import ReasoningDelta
from airouter_core.values.message_dicts import messages_from
from airouter_core.values.messages import Message, ReasoningPart, RefusalPart, ToolResultPart
from airouter_core.values.request import Request
from airouter_llamacpp.config import LlamaCppConfig
from airouter_llamacpp.gguf import read_header
from airouter_llamacpp.one_shot.output import Display, Figures, Thoughts, answer_in
from airouter_llamacpp.one_shot.run import CliRun
from airouter_llamacpp.one_shot.template import conversation_template, literal, sent_message, text_template
from airouter_llamacpp.plugin import LLAMACPP
from airouter_llamacpp.provider import LlamaCppProvider
from airouter_llamacpp.wire import WIRE

from .conftest import TOY, MakeProvider, make_gguf, needs_programs

BANNER = (
    "\n\nLoading model... \n\nbuild      : b11669-Debian\nmodel      : m.gguf\n\navailable commands:\n  /exit\n\n\n\n"
)
FIGURES = "\n\n[ Prompt: 51.3 t/s | Generation: 36.7 t/s ]\n\n\nExiting...\n"
WITHOUT = "\n\n\nExiting...\n"
WORD = "airouter-0123456789abcdef"
ANSWERS = [
    "Hello!",
    "é😀中",
    "one\n\ntwo\n",
    "\n\nfirst two lines are empty",
    "a list:\n\n[ Prompt: 1, 2 ]\n\n\nExiting the room",
    f"it said\n> {WORD}\nand more",
    "Errors: none",
    "[Start thinking] is no mark without its lines",
]


@pytest.mark.parametrize("tail", [FIGURES, WITHOUT])
@pytest.mark.parametrize("answer", ANSWERS)
def test_the_display_shows_only_answer(answer: str, tail: str) -> None:
    """However the bytes are cut, what is shown is a beginning of the answer, and all of it but what may be the end."""
    data = f"{BANNER}> {WORD}\n{answer}{tail}".encode()
    shown = set()
    for size in (1, 2, 3, 7, 64, len(data)):
        display = Display(WORD)
        text = "".join(display.feed(data[start : start + size]) for start in range(0, len(data), size))
        assert answer.startswith(text)
        assert display.shown == text
        shown.add(text)
    if "[ Prompt" not in answer:
        assert shown == {answer}


@given(st.text(), st.integers(1, 9))
def test_the_display_never_shows_what_is_not_answer(answer: str, size: int) -> None:
    """Nor for any other answer."""
    data = f"{BANNER}> {WORD}\n{answer}{FIGURES}".encode()
    display = Display(WORD)
    text = "".join(display.feed(data[start : start + size]) for start in range(0, len(data), size))
    assert answer.startswith(text)


def test_the_display_of_windows_is_read() -> None:
    """There each line end has two bytes."""
    data = f"{BANNER}> {WORD}\none\ntwo{FIGURES}".replace("\n", "\r\n").encode()
    for size in (1, 5, len(data)):
        display = Display(WORD)
        assert "".join(display.feed(data[at : at + size]) for at in range(0, len(data), size)) == "one\ntwo"


def test_a_failure_is_no_answer() -> None:
    """What llama-cli says of a failure is not shown as text, and is found as the reason."""
    display = Display(WORD)
    said = "Error: request (9010 tokens) exceeds the available context size (2048 tokens), try increasing it"
    assert display.feed(f"{BANNER}> {WORD}\n{said}{FIGURES}".encode()) == ""
    assert display.error == said.removeprefix("Error: ")
    early = Display(WORD)
    assert early.feed(b"\n\nLoading model... Error: the server exited before becoming ready\n") == ""
    assert early.error == "the server exited before becoming ready"


@pytest.mark.parametrize("answer", ["", "Hello!", "ends with lines\n\n", "User:\nhi\n\nAssistant:\nno"])
def test_the_file_has_the_answer_exactly(answer: str) -> None:
    """It is found by length: the answer may contain whatever the file's own words are."""
    file = f"User:\n{WORD}\n\nAssistant:\n{answer}\n\n"
    assert answer_in(file.encode(), WORD) == answer
    assert answer_in(file.replace("\n", "\r\n").encode(), WORD) == answer


def test_a_file_without_an_answer() -> None:
    """An empty one, or one that ends after the question, has none; an unknown form is an error."""
    assert answer_in(b"", WORD) is None
    assert answer_in(f"User:\n{WORD}\n\n".encode(), WORD) is None
    with pytest.raises(ProtocolError, match="form that is not known"):
        answer_in(b"### user\nhi", WORD)


@pytest.mark.parametrize(
    ("raw", "thought", "said"),
    [
        ("[Start thinking]\n\nShort thought.\n[End thinking]\n\nHello there!", "Short thought.\n", "Hello there!"),
        ("[Start thinking]\n\ncut off", "cut off", ""),
        ("[Start thinking]\n\na [End thin b [End thinking]\n\n", "a [End thin b ", ""),
        ("[Start", "", "[Start"),
        ("no thought", "", "no thought"),
    ],
)
def test_thoughts_are_told_apart(raw: str, thought: str, said: str) -> None:
    """However the text is cut."""
    for size in (1, 2, 5, 100):
        thoughts = Thoughts()
        events = [event for at in range(0, len(raw), size) for event in thoughts.feed(raw[at : at + size])]
        events += thoughts.feed("", last=True)
        texts: dict[bool, str] = {True: "", False: ""}
        for event in events:
            texts[isinstance(event, ReasoningDelta)] += event.text  # type: ignore[union-attr]  # both have a text
        assert (texts[True], texts[False]) == (thought, said)


def test_figures_are_found_in_the_log() -> None:
    """As 0.5 and later write them, and as builds before did; what is not there stays unknown."""
    new = (
        "0.00.1 I slot print_timing: id  0 | task 0 | prompt eval time =  3.50 ms /    17 tokens (  0.21 ms per)\n"
        "0.00.2 I slot print_timing: id  0 | task 0 |        eval time =  6.67 ms /    15 tokens (  0.48 ms per)\n"
    )
    assert Figures.read(new) == Figures(17, 15)
    assert Figures.read("nothing") == Figures(None, None)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_text_in_a_template_cannot_end_early(text: str) -> None:
    """No quote and no line end of the text stands bare, so that it is one literal."""
    inside = literal(text)[1:-1]
    assert "\n" not in inside
    assert '"' not in inside.replace("\\\\", "").replace('\\"', "")


def told_by_cli(message: Message) -> list[str]:
    """The beginnings of what a call in mode cli tells; no program is started."""
    with LlamaCppProvider(LlamaCppConfig(mode="cli"), LLAMACPP) as provider:
        known = provider.prepare(Ask(model="m", messages=(message,))).known
    return [note.partition(":")[0] for note in known["warnings"]]


def test_what_a_message_holds_is_in_the_template() -> None:
    """Names, thoughts and refusals, as a server's template gets them; for what has no place there is a warning."""
    said = Message("assistant", (ReasoningPart("hm"), "I", RefusalPart("No.")), name="ada")
    assert sent_message(said) == {"role": "assistant", "content": "I\nNo.", "name": "ada", "reasoning_content": "hm"}
    sealed = Message.assistant(ReasoningPart("", {"claude": {"data": "x"}}), "I")
    assert told_by_cli(said) == []
    assert told_by_cli(sealed) == ["thoughts in the history that only another provider can read were not sent"]


def test_what_a_server_reads_of_a_message() -> None:
    """It knows no refusals, which are sent as text, and hands a result's name to the template."""
    said = (Message.assistant(RefusalPart("No.")), Message.assistant("I", RefusalPart("No.")))
    results = (ToolResultPart("a", "x", name="look"), ToolResultPart("b", "y"))
    request = Request(model="m", messages=(*said, Message("tool", results)))
    config = LlamaCppConfig(base_url="http://localhost")
    body = json.loads(WIRE.build_request(request, config, stream=False).body or b"")
    assert body["messages"] == [
        {"role": "assistant", "content": "No."},
        {"role": "assistant", "content": "INo."},
        {"role": "tool", "tool_call_id": "a", "content": "x", "name": "look"},
        {"role": "tool", "tool_call_id": "b", "content": "y"},
    ]


def test_half_a_character_is_refused() -> None:
    """It has no bytes; nothing is put in its place."""
    with pytest.raises(ParameterError, match="half a character"):
        text_template("\ud800", WORD)


@pytest.mark.engine
@needs_programs
def test_the_model_sees_the_same(make: MakeProvider, models: Path, tmp_path: Path) -> None:
    """A real server, given the template that llama-cli is given, makes the prompt that it makes of the conversation.

    For the toy's template, and for the one that stands in for a missing template.
    """
    conversation: list[dict[str, Any]] = [
        {"role": "system", "content": 'Be "brief".\\n'},
        {
            "role": "user",
            "content": "a\0b \x01\x7f \u2028 é😀\r\n\t{{x}} {%y%} {#z#} 'q' \\u0041 \\x41 </s> <|im_end|> -%}",
        },
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "  trailing \n"},
    ]
    header = read_header(models / TOY / f"{TOY}.gguf")
    template = tmp_path / "template"
    messages = messages_from(conversation)
    template.write_bytes(conversation_template(header, messages, WORD))
    own = _prompt(make("server"), conversation)
    wrapped = make("server", special_flags=["--chat-template-file", str(template)])
    assert _prompt(wrapped, [{"role": "user", "content": WORD}]) == own
    assert _prompt(wrapped, conversation) == own
    (tmp_path / "bare.gguf").write_bytes(make_gguf())
    template.write_bytes(conversation_template(read_header(tmp_path / "bare.gguf"), messages, WORD))
    chatml = make("server", special_flags=["--chat-template-file", str(template)], max_servers=1)
    builtin = make("server", special_flags=["--chat-template", "chatml"], max_servers=1)
    assert _prompt(chatml, [{"role": "user", "content": WORD}]) == _prompt(builtin, conversation)


def _prompt(provider: Any, conversation: list[dict[str, Any]]) -> str:
    """What the template makes of a conversation, as the server tells."""
    provider.load_model(TOY)
    (engine,) = provider._mode.pool.running()
    request = urllib.request.Request(
        f"{engine.address}/apply-template",
        json.dumps({"messages": conversation}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {engine.api_key}"},
    )
    with urllib.request.urlopen(request, timeout=600) as response:
        prompt: str = json.load(response)["prompt"]
    return prompt


@pytest.mark.parametrize(
    ("timeout", "deadline", "said"),
    [
        (0.01, None, r"said nothing for 0\.01 s; raise `timeout`"),
        (0.01, 600.0, r"said nothing for 0\.01 s; raise `timeout`"),
        (600.0, 0.01, "not complete within its deadline; raise `deadline`"),
    ],
)
def test_silence_and_the_deadline_end_a_run(timeout: float, deadline: float | None, said: str) -> None:
    """Whichever comes first, and the error names the one that it was."""
    unused: Any = None
    run = CliRun(unused, unused, unused, unused, timeout=timeout, deadline=deadline)
    with pytest.raises(TransportTimeoutError, match=said):
        run.read()
