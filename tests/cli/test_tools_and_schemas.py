"""`--schema`, `-x`, `--tool` and `--functions`: answers of a form, and functions that run when somebody says yes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airouter_core.cli import streams, tooling
from airouter_core.cli.app import run_app
from airouter_core.plugins.registry import installed

pytestmark = pytest.mark.skipif(
    not any(info.name == "llama-cpp" for info in installed().providers()), reason="asks through airouter-llamacpp"
)

Say = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def say(serve_answers: Any, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Let a server behind the provider llama-cpp answer with these messages, in their order; gives the requests."""

    def start(*messages: str | dict[str, Any]) -> list[dict[str, Any]]:
        requests: list[dict[str, Any]] = []

        def answer(path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
            if not path.endswith("/chat/completions"):
                return 200, "application/json", b'{"data": [{"id": "only"}]}'
            said = messages[min(len(requests), len(messages) - 1)]
            requests.append(body)
            message = {"role": "assistant", **(said if isinstance(said, dict) else {"content": said})}
            reason = "tool_calls" if "tool_calls" in message else "stop"
            choice = {"index": 0, "finish_reason": reason}
            usage = {"prompt_tokens": 7, "completion_tokens": 5}
            if body.get("stream"):
                events = [{"choices": [{**choice, "delta": message}]}, {"choices": [], "usage": usage}]
                lines = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
                return 200, "text/event-stream", lines + b"data: [DONE]\n\n"
            body = {"choices": [{**choice, "message": message}], "usage": usage}
            return 200, "application/json", json.dumps(body).encode()

        monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(answer))
        monkeypatch.setenv("AIROUTER_PROVIDER", "llama-cpp")
        return requests

    return start


def calls(*given: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    made = [
        {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for place, (name, arguments) in enumerate(given)
    ]
    return {"content": None, "tool_calls": made}


def test_an_answer_of_a_form_is_printed_as_json(say: Say, capsys: pytest.CaptureFixture[str]) -> None:
    """Indented, and nothing else on standard output; the model is asked for the schema."""
    asked = say('{"name":"Ada","age":36}')
    assert run_app(["run", "--schema", "name, age int", "Invent a person."]) == 0
    assert capsys.readouterr().out == '{\n  "name": "Ada",\n  "age": 36\n}\n'
    schema = asked[0]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["age"]["type"] == "integer"


def test_one_that_does_not_fit_is_asked_for_once_more(say: Say, capsys: pytest.CaptureFixture[str]) -> None:
    """Told on standard error; two that do not fit are an error, and nothing is printed as if it fitted."""
    asked = say("no idea", '{"name":"Ada","age":36}')
    assert run_app(["run", "--schema", "name, age int", "Invent a person."]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"name": "Ada", "age": 36}
    assert "asked for again" in printed.err
    assert len(asked) == 2
    asked = say("no idea")
    assert run_app(["run", "--schema", "name, age int", "Invent a person."]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "does not fit the schema" in printed.err
    assert len(asked) == 2


def test_a_schema_may_come_from_a_file_or_as_json(
    say: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Callable[..., None]
) -> None:
    """And what is none is told before anybody is asked."""
    asked = say('{"n": 1}')
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    for given in ("schema.json", json.dumps(schema)):
        assert run_app(["run", "--schema", given, "Count."]) == 0
        assert json.loads(capsys.readouterr().out) == {"n": 1}
    assert len(asked) == 2
    for wrong, said in (
        ("missing.json", "there is no file 'missing.json'"),
        ("n integre", "'integre' is no kind"),
        ("{", "no valid JSON"),
        ('{"type": "nonsense"}', "nonsense"),
    ):
        refused(["run", "--schema", wrong, "Count."], said)
    assert len(asked) == 2


@pytest.mark.parametrize(("option", "printed"), [("-x", "a = 1\n"), ("--xl", "b = 2\n"), ("--extract-last", "b = 2\n")])
def test_code_blocks_are_printed_alone(say: Say, option: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first or the last one; an answer without any is printed whole, and that is said."""
    say("First:\n```python\na = 1\n```\nThen:\n```\nb = 2\n```\nDone.")
    assert run_app(["run", option, "Write code."]) == 0
    assert capsys.readouterr().out == printed
    say("no code")
    assert run_app(["run", option, "Write code."]) == 0
    out, err = capsys.readouterr()
    assert (out, "no code block" in err) == ("no code\n", True)


def test_tools_run_without_asking_only_when_told_so(say: Say, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal and --yes-tools nothing is asked of anybody; with it, rounds and tokens are told."""
    asked = say(calls(("calculate", {"expression": "6 * 7"})), "It is 42.")
    assert run_app(["run", "--tool", "calculate", "What is 6 * 7?"]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert "--yes-tools" in printed.err
    assert asked == []
    assert run_app(["run", "--tool", "calculate", "--yes-tools", "What is 6 * 7?"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "It is 42.\n"
    assert '[round 1] calculate({"expression": "6 * 7"}), 7 in, 5 out' in printed.err
    assert "2 rounds" in printed.err
    assert (asked[1]["messages"][-1]["tool_call_id"], asked[1]["messages"][-1]["content"]) == ("call_0", "42")


@pytest.mark.parametrize("command", ["run", "chat"])
def test_text_is_shown_as_it_is_made(
    say: Say, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also what is said before a call, each answer on lines of its own; the model is asked for streams."""
    asked = say({**calls(("calculate", {"expression": "6 * 7"})), "content": "Let me see."}, "It is 42.")
    before = ["run", "Go."] if command == "run" else ["chat", "-m", "only"]
    monkeypatch.setattr(sys, "stdin", io.StringIO("Go.\n" if command == "chat" else ""))
    written: list[str] = []
    write = streams.Writer.write

    def see(writer: streams.Writer, piece: str) -> None:
        written.append(f"{piece} ({len(asked)} asked)")
        write(writer, piece)

    monkeypatch.setattr(streams.Writer, "write", see)
    assert run_app([*before, "--tool", "calculate", "--yes-tools"]) == 0
    assert capsys.readouterr().out == "Let me see.\nIt is 42.\n"
    assert written == ["Let me see. (1 asked)", "It is 42. (2 asked)"]
    assert all(body["stream"] for body in asked)


@pytest.mark.parametrize("option", ["--no-stream", "--json", "-x"])
def test_the_last_answer_is_printed_alone_where_that_is_wanted(
    say: Say, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By programs; nothing is streamed then."""
    asked = say({**calls(("calculate", {"expression": "6 * 7"})), "content": "Let me see."}, "It is 42.")
    assert run_app(["run", "--tool", "calculate", "--yes-tools", option, "Go."]) == 0
    printed = capsys.readouterr().out
    assert (json.loads(printed)["text"] + "\n" if option == "--json" else printed) == "It is 42.\n"
    assert not any(body.get("stream") for body in asked)


def test_at_a_terminal_each_call_is_asked_about(
    say: Say, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """y runs it, n does not, a runs this tool from then on; what was refused the model is told."""
    asked = say(
        calls(("calculate", {"expression": "1"}), ("calculate", {"expression": "2"})),
        calls(("calculate", {"expression": "3"})),
        "done",
    )
    keys = iter("xna")
    monkeypatch.setattr(tooling, "can_ask", lambda: True)
    monkeypatch.setattr("click.getchar", lambda: next(keys))
    assert run_app(["run", "--tool", "calculate", "Go."]) == 0
    assert next(keys, None) is None
    told = [message["content"] for message in asked[2]["messages"] if message["role"] == "tool"]
    assert [text.startswith("the user has refused") for text in told] == [True, False, False]
    assert 'run calculate({"expression": "1"})?' in capsys.readouterr().err


def test_functions_of_a_file_and_of_a_module_are_tools(
    say: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Callable[..., None]
) -> None:
    """Named on the command line; what is no function is told before anybody is asked."""
    (tmp_path / "mine.py").write_text('def shout(text: str) -> str:\n    """Say it loud."""\n    return text.upper()\n')
    asked = say(calls(("shout", {"text": "hi"})), "done")
    assert run_app(["run", "--functions", "mine.py", "--yes-tools", "Shout hi."]) == 0
    assert asked[0]["tools"][0]["function"]["description"] == "Say it loud."
    assert asked[1]["messages"][-1]["content"] == "HI"
    assert run_app(["run", "--tool", "mine:shout", "--yes-tools", "Shout hi."]) == 0
    for wrong, said in (
        (["--tool", "nothing"], "there is no tool 'nothing': name one of calculate"),
        (["--tool", "mine:"], "there is no tool 'mine:'"),
        (["--tool", "mine:nothing"], "mine has no function 'nothing'"),
        (["--functions", "missing.py"], "'missing.py' is no file of Python (.py)"),
    ):
        refused(["run", *wrong, "--yes-tools", "Go."], said)


def test_a_loop_has_an_end(say: Say, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that never stops calling is stopped."""
    asked = say(calls(("calculate", {"expression": "1"})))
    assert run_app(["run", "--tool", "calculate", "--yes-tools", "--max-rounds", "3", "Go."]) == 1
    assert len(asked) == 3
    assert "after 3 rounds" in capsys.readouterr().err


def test_tools_and_a_schema_go_together(say: Say, capsys: pytest.CaptureFixture[str]) -> None:
    """The last answer has the form, and is asked for once more if it has not."""
    asked = say(calls(("calculate", {"expression": "6 * 7"})), "forty-two", '{"answer": 42}')
    assert run_app(["run", "--tool", "calculate", "--yes-tools", "--schema", "answer int", "What is 6 * 7?"]) == 0
    assert json.loads(capsys.readouterr().out) == {"answer": 42}
    assert len(asked) == 3


def test_a_conversation_has_tools_too(
    say: Say, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Calls stay in it, "always" holds to its end, /retry begins before the calls, and /save leaves them out."""
    first, second = (calls(("calculate", {"expression": expression})) for expression in ("6 * 7", "1"))
    asked = say(first, "It is 42.", second, "1.")
    keys = iter("a")
    monkeypatch.setattr(tooling, "can_ask", lambda: True)
    monkeypatch.setattr("click.getchar", lambda: next(keys))
    saved = tmp_path / "talk.json"
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"What is 6 * 7?\n/retry\n/usage\n/save {saved}\n/load {saved}\n"))
    assert run_app(["chat", "-m", "only", "--tool", "calculate"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "It is 42.\n1.\n"
    assert [len(body["messages"]) for body in asked] == [1, 3, 1, 3]
    assert "28 tokens in, 20 out, 4 messages" in printed.err
    turns = json.loads(saved.read_text())["messages"]
    assert [(turn["role"], turn["content"]) for turn in turns] == [("user", "What is 6 * 7?"), ("assistant", "1.")]
    assert "loaded" in printed.err


def test_templates_hold_a_schema_and_tools(
    say: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Callable[..., None]
) -> None:
    """Those of one's own; one that somebody has given names no functions of modules."""
    asked = say('{"answer": 42}')
    assert run_app(["templates", "save", "sum", "--schema", "answer int", "--tool", "calculate", "$input"]) == 0
    assert run_app(["run", "-t", "sum", "--yes-tools", "6 * 7"]) == 0
    assert asked[0]["tools"][0]["function"]["name"] == "calculate"
    assert json.loads(capsys.readouterr().out.partition("\n")[2]) == {"answer": 42}
    (tmp_path / "given.toml").write_text('prompt = "$input"\ntools = ["os:getcwd"]\n')
    refused(["run", "-t", "given.toml", "--yes-tools", "Go."], "would have them imported")
    refused(["templates", "save", "wrong", "--schema", "answer integre"], "'integre' is no kind")
    assert len(asked) == 1


@pytest.mark.engine
def test_the_real_model_answers_in_a_form(capsys: pytest.CaptureFixture[str]) -> None:
    """llama.cpp is held to the schema by a grammar."""
    pytest.importorskip("xllamacpp", reason="needs the engine: pip install 'airouter-llamacpp[embedded]'")
    given = ["-m", "llama-cpp/airouter-toy", "-o", "temperature=0", "-o", "max_tokens=200"]
    assert run_app(["run", *given, "--schema", "happy bool", "Are you happy?"]) == 0
    assert json.loads(capsys.readouterr().out)["happy"] in (True, False)


def test_standard_input_is_not_taken_for_an_answer(
    say: Say, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is piped in is the question, and cannot say yes."""
    asked = say(calls(("calculate", {"expression": "1"})), "done")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run_app(["run", "--tool", "calculate"]) == 2
    assert asked == []
    assert "no terminal" in capsys.readouterr().err
