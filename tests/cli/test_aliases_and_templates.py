"""Short names and questions with gaps: kept in files that people read, used in a few words."""

from __future__ import annotations

import io
import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.cli.app import run_app
from airouter_core.cli.own_files.aliases import read_aliases, set_alias
from airouter_core.cli.own_files.editing import toml_key, toml_string
from airouter_core.cli.own_files.templates import Template, parsed_template, read_template, template_names
from airouter_core.cli.targets import current_settings
from airouter_core.errors import ConfigurationError
from airouter_core.plugins.registry import installed

needs_llama = pytest.mark.skipif(
    not any(info.name == "llama-cpp" for info in installed().providers()), reason="asks through airouter-llamacpp"
)


@pytest.fixture
def asked(serve_models: Any) -> list[dict[str, Any]]:
    """What a server behind the provider llama-cpp is asked."""
    requests: list[dict[str, Any]] = serve_models({"id": "first"}, {"id": "second"})
    return requests


@needs_llama
def test_an_alias_counts_wherever_an_address_does(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """For `run -m`, `compare -t`, and as the default; an alias of an alias is what that means."""
    assert run_app(["aliases", "set", "fast", "llama-cpp/first"]) == 0
    assert run_app(["aliases", "set", "quick", "fast"]) == 0
    assert run_app(["run", "-m", "quick", "hi"]) == 0
    assert run_app(["compare", "-t", "fast", "hi"]) == 0
    assert run_app(["models", "default", "fast"]) == 0
    assert run_app(["run", "hi"]) == 0
    assert [request["model"] for request in asked] == ["first"] * 3
    capsys.readouterr()
    assert run_app(["aliases", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"fast": "llama-cpp/first", "quick": "llama-cpp/first"}
    assert run_app(["models", "default"]) == 0
    assert capsys.readouterr().out == "llama-cpp/first\n"


@needs_llama
def test_a_provider_that_is_named_has_its_own_models(asked: list[dict[str, Any]]) -> None:
    """With -p, -m is what the provider calls it, whatever aliases there are."""
    set_alias("second", "llama-cpp/first")
    assert run_app(["run", "-p", "llama-cpp", "-m", "second", "hi"]) == 0
    assert asked[0]["model"] == "second"


@needs_llama
def test_the_file_of_aliases_is_the_users(own_surroundings: Path) -> None:
    """What people write into it stays; a line is taken away and nothing else."""
    path = own_surroundings / "settings" / "airouter" / "aliases.toml"
    path.parent.mkdir(parents=True)
    path.write_text('# mine\nslow = "llama-cpp/second"  # at night\n')
    assert run_app(["aliases", "set", "gpt-4.1", "llama-cpp/first"]) == 0
    assert read_aliases() == {"slow": "llama-cpp/second", "gpt-4.1": "llama-cpp/first"}
    assert "# at night" in path.read_text()
    assert run_app(["aliases", "remove", "gpt-4.1"]) == 0
    assert path.read_text() == '# mine\nslow = "llama-cpp/second"  # at night\n'


@needs_llama
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("set", "a b", "llama-cpp/first"), "an alias is a word"),
        (("set", "ollama", "llama-cpp/first"), "name of a provider"),
        (("set", "x", "llama-cpp/"), "names no model"),
        (("remove", "x"), "there is no alias 'x'"),
    ],
)
def test_an_alias_that_cannot_be_is_refused(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, and nothing is written."""
    if "ollama" in arguments and installed().find("ollama") is None:
        pytest.skip("is about another provider: pip install airouter-ollama")
    assert run_app(["aliases", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert read_aliases() == {}


@needs_llama
def test_models_are_listed_as_before(asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """`models PROVIDER`, options first or last, is `models list PROVIDER`; its help has both commands."""
    for arguments in (["llama-cpp", "--json"], ["--json", "llama-cpp"], ["list", "llama-cpp", "--json"]):
        assert run_app(["models", *arguments]) == 0
        assert [model["id"] for model in json.loads(capsys.readouterr().out)] == ["first", "second"]
    assert run_app(["models", "--help"]) == 0
    assert {"list", "default"} <= set(capsys.readouterr().out.split())


@needs_llama
def test_a_template_is_saved_and_asked(asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its gaps are filled from -v, from its defaults, and with what comes through the pipe; -o and -s come first."""
    said = ("-m", "llama-cpp/first", "-s", "You are $tone.", "-o", "temperature=0", "--default", "tone=brief")
    assert run_app(["templates", "save", "sum", *said, "For $whom, at $$5:\n$input"]) == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("the text\n"))
    assert run_app(["run", "-t", "sum", "-v", "whom=users"]) == 0
    assert [turn["content"] for turn in asked[0]["messages"]] == ["You are brief.", "For users, at $5:\nthe text"]
    assert asked[0]["temperature"] == 0
    monkeypatch.setattr(sys, "stdin", None)
    assert run_app(["run", "-t", "sum", "-v", "whom=me", "-o", "temp=1", "-s", "Loud.", "x"]) == 0
    assert [turn["content"] for turn in asked[1]["messages"]] == ["Loud.", "For me, at $5:\nx"]
    assert asked[1]["temperature"] == 1


@needs_llama
def test_a_conversation_begins_with_a_template(asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its prompt is filled with what is said first; what follows is sent as it is."""
    assert run_app(["templates", "save", "t", "-m", "llama-cpp/first", "Translate: $input"]) == 0
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo\n"))
    assert run_app(["chat", "-t", "t"]) == 0
    said = [turn["content"] for turn in asked[1]["messages"] if turn["role"] == "user"]
    assert said == ["Translate: one", "two"]


@needs_llama
def test_a_template_is_shared_as_a_file(asked: list[dict[str, Any]], own_surroundings: Path) -> None:
    """A path that ends in .toml is one that somebody has given you."""
    (own_surroundings / "theirs.toml").write_text('model = "llama-cpp/second"\nprompt = "Say $input."\n')
    assert run_app(["run", "-t", "theirs.toml", "hi"]) == 0
    assert asked[0]["messages"][0]["content"] == "Say hi."
    assert template_names() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-t", "sun", "hi"), "did you mean 'sum'"),
        (("-t", "sum", "hi"), "-v whom="),
        (("-t", "sum", "-v", "who=x", "hi"), "did you mean 'whom'"),
        (("-t", "sum", "-v", "whom=x"), "something to work on"),
        (("-v", "whom=x", "hi"), "name one with -t"),
        (("-t", "sum", "-v", "whom", "hi"), "takes NAME=VALUE"),
        (("-t", "../sum", "hi"), "a template is called by a word"),
    ],
)
def test_what_a_template_lacks_is_told_before_anything_is_sent(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line that says what to give."""
    assert run_app(["templates", "save", "sum", "For $whom: $input"]) == 0
    assert run_app(["run", "-m", "nobody/nothing", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_templates_are_shown_changed_and_removed(
    own_surroundings: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    refused: Callable[..., None],
) -> None:
    """`edit` opens the editor, and keeps nothing that cannot be read; nothing is overwritten unasked."""
    assert run_app(["templates", "save", "t", "Say $input"]) == 0
    refused(["templates", "save", "t", "other"], "is there already; --force overwrites it, `templates edit` changes it")
    refused(["templates", "save", "u"], "A template needs at least one of PROMPT")
    editor = own_surroundings / "editor.sh"
    editor.write_text("#!/bin/sh\nsed -i 's/Say/Shout/' \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    assert run_app(["templates", "edit", "t"]) == 0
    capsys.readouterr()
    assert run_app(["templates", "show", "t"]) == 0
    assert capsys.readouterr().out == 'prompt = "Shout $input"\n'
    assert run_app(["templates", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["t"]["prompt"] == "Shout $input"
    assert run_app(["templates", "remove", "t"]) == 0
    refused(["templates", "remove", "t"], "there is no template 't'; `airouter templates list` shows")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('promt = "x"', "a template has no 'promt'; did you mean 'prompt'?"),
        ("nothing = 1", "a template has no 'nothing'; it takes description, model"),
        ("prompt = 5", "prompt must be a text, not 5"),
        ("parameters = 5", "parameters must be a table, not 5"),
        ('tools = "calculate"', "tools must be a list, not 'calculate'"),
        ("tools = [5]", "tools must be names, not 5"),
        ("[defaults]\nx = 5", "the default of x must be a text, not 5"),
        ("prompt = ", "is not valid TOML"),
        ("[prompt]\nx = 1", "prompt must be a text"),
    ],
)
def test_a_file_that_is_no_template_is_an_error(text: str, said: str, own_surroundings: Path) -> None:
    """That names the file, what is wrong in it, and what it takes."""
    path = own_surroundings / "x.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=rf"x\.toml.*{re.escape(said)}"):
        read_template(str(path))


def test_a_template_that_is_not_there_is_told(own_surroundings: Path) -> None:
    """With the one that was meant, or how they are listed."""
    assert run_app(["templates", "save", "summary", "Sum up $input"]) == 0
    with pytest.raises(ConfigurationError, match="there is no template 'sumary'; did you mean 'summary'"):
        read_template("sumary")
    with pytest.raises(ConfigurationError, match="there is no template 'xyz'; `airouter templates list` shows"):
        read_template("xyz")


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)


@given(
    name=TEXT,
    prompt=TEXT,
    numbers=st.dictionaries(TEXT, st.integers(-9, 9) | st.booleans() | TEXT | st.lists(TEXT, max_size=2), max_size=3),
)
def test_what_is_written_is_what_is_read(name: str, prompt: str, numbers: dict[str, Any]) -> None:
    """Whatever texts hold: quotation marks, line breaks, control characters."""
    made = Template(prompt=prompt, parameters=numbers, defaults={name: prompt})
    assert parsed_template(made.to_toml(), "x") == made
    assert tomllib.loads(f"{toml_key(name)} = {toml_string(prompt)}") == {name: prompt}


def test_the_default_that_does_not_count_here_says_so(
    own_surroundings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The settings file of a folder comes before the user's own."""
    if installed().find("llama-cpp") is None:
        pytest.skip("needs a provider: pip install airouter-llamacpp")
    (own_surroundings / "airouter.toml").write_text('[airouter]\nprovider = "llama-cpp"\nmodel = "other"\n')
    current_settings.cache_clear()
    assert run_app(["models", "default", "llama-cpp/airouter-toy"]) == 0
    assert "something else comes first" in capsys.readouterr().err
