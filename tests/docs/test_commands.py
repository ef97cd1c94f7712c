"""Commands that the pages name: each exists, with the options that stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from airouter_core.cli.app import app
from airouter_core.cli.lists import ListsFirst

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
)
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]*\bairouter [^`\n]+)`")
ENDS = ("|", ">", ">>", "&", "&&", ";", "2>", "<", "||")
USUAL = "list"
"""What is meant where a group is given no command of its own."""
OPEN = re.compile(r"…|\.\.\.")


def commands(text: str) -> Iterator[str]:
    """What is typed in a page."""
    for block in CONSOLE.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                yield line[2:].partition("  #")[0]
    yield from (found.replace("\\|", "|") for found in INLINE.findall(text))


def calls(command: str) -> Iterator[list[str]]:
    """The arguments of each call of airouter in it."""
    try:
        words = shlex.split(command)
    except ValueError:  # prose that holds an apostrophe
        return
    for place, word in enumerate(words):
        if word == "airouter" and (place == 0 or words[place - 1] in ENDS or "=" in words[place - 1]):
            rest = words[place + 1 :]
            ends = [end for end, other in enumerate(rest) if other in ENDS]
            yield [word.rstrip(",") for word in rest[: ends[0] if ends else None] if not OPEN.fullmatch(word)]


def fault(arguments: list[str]) -> str | None:
    """What the command line would not understand; wrong values are not looked for, since placeholders stand there."""
    command: click.Command = app
    context = click.Context(command, info_name="airouter")
    rest = list(arguments)
    while isinstance(command, click.Group) and rest:
        if rest[0] in app.context_settings["help_option_names"]:
            return None
        own = next((each for each in command.params if rest[0] in each.opts), None)
        if own is not None:
            rest = rest[1 if isinstance(own, click.Option) and own.is_flag else 2 :]
            continue
        if rest[0].isupper() or "|" in rest[0]:  # a placeholder
            return None
        try:
            name, found, rest = command.resolve_command(context, rest)
        except click.UsageError as error:
            name, found = USUAL, command.get_command(context, USUAL)
            if found is None or not isinstance(command, ListsFirst):
                return error.format_message()
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    try:
        command.make_parser(context).parse_args(list(rest))
    except click.NoSuchOption as error:
        return error.format_message()
    except click.UsageError:
        return None
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_exist(page: Path) -> None:
    """As they stand there."""
    asked = [arguments for command in commands(page.read_text(encoding="utf-8")) for arguments in calls(command)]
    wrong = {" ".join(arguments): said for arguments in asked if (said := fault(arguments))}
    assert wrong == {}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("airouter run -m a/b 'hi there' -o temperature=0 | tee x", None),
        ("KEY=1 airouter keys set NAME", None),
        ("airouter nothing", "No such command"),
        ("airouter run --nothing", "No such option"),
        ("airouter keys nothing", "No such command"),
    ],
)
def test_the_check_can_fail(command: str, said: str | None) -> None:
    """What is not there is found."""
    (arguments,) = calls(command)
    assert (fault(arguments) or "None").count(said or "None")
