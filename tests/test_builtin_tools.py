"""The tools that are there already, tools by name, and a loop in which somebody says yes or no."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core import Message, Response, TextDelta, TextPart, ToolCallPart, ToolResultPart
from airouter_core.cli.questions.builtin_tools import BUILT_IN, calculate, http_get, read_file
from airouter_core.cli.questions.named_tools import tool_named, tools_of_file
from airouter_core.errors import AirouterError, ConfigurationError, ParameterError
from airouter_core.testing.fakes import fake_provider
from airouter_core.tools.schemas import tool_of


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2+2", "4"),
        ("(3 + 4) * 2 ** 10 / sqrt(4)", "3584.0"),
        ("-7 // 2", "-4"),
        ("7 % 4", "3"),
        ("2 ** -1", "0.5"),
        ("max(1, 2.5, pi)", str(math.pi)),
        ("round(2.567, 1)", "2.6"),
        ("2 ** 1000", str(2**1000)),
        (" 1e3 ", "1000.0"),
    ],
)
def test_arithmetic(expression: str, value: str) -> None:
    """Numbers, signs, parentheses, and the functions of a pocket calculator."""
    assert calculate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')", "().__class__", "open('a')", "lambda: 1", "[1][0]", "'a' * 3", "True + 1",
        "x := 1", "1 if 1 else 2", "sqrt.__call__(4)", "print(1)", "1; 2", "", "2 +", "max(*[1])", "round(number=1)",
        "1/0", "sqrt(-1)", "(-8) ** 0.5", "10 ** 10 ** 10", "9 ** 9 ** 9 ** 9", "2.0 ** 100000", "1j * 1j",
        "(" * 500 + "1" + ")" * 500, "1" * 2000, "\0",
    ],
)  # fmt: skip
def test_what_is_no_arithmetic_is_refused(expression: str) -> None:
    """Nothing of the language but numbers; nothing that takes for ever."""
    with pytest.raises(ParameterError):
        calculate(expression)


@given(st.text("0123456789+-*/%() .sqrtpie,", max_size=30))
def test_any_expression_has_a_value_or_is_refused(expression: str) -> None:
    """In an instant, whatever it is."""
    with contextlib.suppress(ParameterError):
        assert calculate(expression)


def test_files_of_the_working_folder_are_read_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by dots, not by a link, not from the root; hidden ones, pictures and folders neither."""
    here = tmp_path / "here"
    (here / "below").mkdir(parents=True)
    (here / "below" / "a.txt").write_text("read me")
    (here / ".env").write_text("KEY=1")
    (here / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    (tmp_path / "secret.txt").write_text("not this")
    (tmp_path / "here-too").mkdir()
    (tmp_path / "here-too" / "b.txt").write_text("not this")
    os.symlink(tmp_path / "secret.txt", here / "link.txt")
    monkeypatch.chdir(here)
    assert read_file("below/a.txt") == "read me"
    assert read_file(str(here / "below" / "a.txt")) == "read me"
    for path in ("../secret.txt", "link.txt", str(tmp_path / "secret.txt"), "../here-too/b.txt", "/etc/passwd"):
        with pytest.raises(ParameterError, match="outside"):
            read_file(path)
    for path in (".env", "a.png", "below", "missing", "."):
        with pytest.raises(ParameterError):
            read_file(path)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://169.254.169.254/", "file:///etc/passwd"])
def test_addresses_that_are_not_public_are_not_read(url: str) -> None:
    """The same rule as for everybody (tests/test_sources.py)."""
    with pytest.raises(ParameterError):
        http_get(url)


def test_models_are_told_what_the_tools_are() -> None:
    """Each has a description and one parameter that is a text."""
    for function in BUILT_IN.values():
        tool = tool_of(function)
        assert tool.description
        ((_, parameter),) = tool.input_schema["properties"].items()
        assert parameter["type"] == "string"


def test_tools_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Built in, of a module that is installed, of one of the working folder; a module of the folder hides none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_tools_of_a_test.py").write_text("def double(x: int) -> int:\n    return 2 * x\n")
    (tmp_path / "json.py").write_text("raise SystemExit('a stranger')\n")
    assert tool_named("calculate") is calculate
    assert tool_named("os:path.basename") is os.path.basename
    assert tool_named("json:dumps")({}) == "{}"
    assert tool_named("own_tools_of_a_test:double")(2) == 4
    for name in ("calculat", "no_such_module_here:f", "os:nothing", "os:", ":f", "os:sep"):
        with pytest.raises(ConfigurationError):
            tool_named(name)


def test_all_functions_of_a_file_are_tools(tmp_path: Path) -> None:
    """Those that it defines itself, but hidden ones."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from __future__ import annotations\nfrom os.path import join\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Point:\n    x: int\n"
        "def double(point: Point) -> int:\n    return 2 * point.x\n\ndef _hidden() -> None: ...\n"
    )
    (double,) = tools_of_file(str(file))
    assert tool_of(double).input_schema["properties"]["point"]
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("1 / 0\n")
    for name, message in (("empty.py", "no functions"), ("broken.py", "ZeroDivisionError"), ("missing.py", "no file")):
        with pytest.raises(ConfigurationError, match=message):
            tools_of_file(str(tmp_path / name))


def _calling(*calls: tuple[str, str]) -> Response:
    parts = (ToolCallPart(str(place), name, arguments) for place, (name, arguments) in enumerate(calls))
    return Response(message=Message.assistant(*parts), finish_reason="tool_calls")


def test_calls_are_approved_one_by_one_and_answers_watched() -> None:
    """What was refused is not run, the model is told so, and results keep their order."""
    provider = fake_provider(
        _calling(
            ("calculate", '{"expression": "1+1"}'),
            ("read_file", '{"path": "a"}'),
            ("calculate", '{"expression": "2+2"}'),
        ),
        "done",
    )
    asked: list[str] = []
    watched: list[Response] = []

    def approve(call: ToolCallPart) -> bool:
        asked.append(call.name)
        return call.name != "read_file"

    run = provider.run_tools("m", "go", [calculate, read_file], approve=approve, watch=watched.append)
    assert asked == ["calculate", "read_file", "calculate"]
    assert run.responses == tuple(watched)
    assert run.rounds == len(watched) == 2
    results = [part for part in run.messages[2].parts if isinstance(part, ToolResultPart)]
    assert [part.text for part in results] == ["2", "the user has refused this call; do not try it again", "4"]
    assert [part.is_error for part in results] == [False, True, False]
    assert [part.tool_call_id for part in results] == ["0", "1", "2"]


def test_what_approving_raises_ends_the_loop() -> None:
    """As Ctrl-C does at the question; nothing was run."""

    def approve(_: ToolCallPart) -> bool:
        raise KeyboardInterrupt

    provider = fake_provider(_calling(("calculate", '{"expression": "1+1"}')), "done")
    with pytest.raises(KeyboardInterrupt):
        provider.run_tools("m", "go", [calculate], approve=approve)
    assert len(provider.asked) == 1


def test_events_are_shown_as_they_are_made() -> None:
    """Of every round, before its answer is complete."""
    provider = fake_provider(_calling(("calculate", '{"expression": "1+1"}')), "It is two.")
    seen: list[object] = []
    run = provider.run_tools(
        "m", "go", [calculate], watch=lambda response: seen.append(response.text), on_event=seen.append
    )
    texts = [item.text if isinstance(item, TextDelta) else item for item in seen if isinstance(item, TextDelta | str)]
    assert texts == ["", "It", " is", " two.", "It is two."]
    assert run.text == "It is two."


def test_what_seeing_raises_ends_the_loop() -> None:
    """As a reader that has gone away does: the error comes out as it is, and nothing further is asked."""
    provider = fake_provider("It is two.", "never")

    def see(event: object) -> None:
        if isinstance(event, TextDelta):
            raise BrokenPipeError(32, "gone")

    with pytest.raises(BrokenPipeError):
        provider.run_tools("m", "go", [calculate], on_event=see)
    assert len(provider.asked) == 1


def test_the_last_answer_may_have_a_form() -> None:
    """`response_format` is asked for in each round, and parsed of the last."""
    provider = fake_provider(_calling(("calculate", '{"expression": "1+1"}')), '{"sum": 2}')
    run = provider.run_tools("m", "go", [calculate], response_format={"type": "object", "properties": {}})
    assert run.response.parsed == {"sum": 2}
    assert all(request.response_format is not None for request in provider.asked)
    assert isinstance(run.messages[-1].parts[0], TextPart)
    assert issubclass(ParameterError, AirouterError)
