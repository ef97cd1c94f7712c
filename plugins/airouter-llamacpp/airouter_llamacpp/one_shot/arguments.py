"""From a request to the words after ``llama-cli``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airouter_core.errors import ConfigurationError
from airouter_core.values.request import Request

from ..programs.flags import CommandLine, arguments, checked_flags
from ..programs.program import Program
from ..settings import EngineSettings

NEEDED = ("--single-turn", "--simple-io", "--no-escape", "--chat-template-file", "--output-file")
"""Without these, an answer could not be told from chatter, or a prompt from a command."""

LOG_LEVEL = 4
"""The level at which the log tells how many tokens prompt and answer had; it holds no text of theirs."""


def _plain(value: Any) -> Iterable[str]:
    return (str(value),)


def _biases(value: Mapping[Any, Any]) -> Iterable[str]:
    for token, bias in value.items():
        yield f"{token}-inf" if bias is False else f"{token}{float(bias):+g}"


FLAGS: Mapping[str, tuple[tuple[str, ...], Callable[[Any], Iterable[str]]]] = {
    "temperature": (("--temp", "--temperature"), _plain),
    "top_k": (("--top-k",), _plain),
    "top_p": (("--top-p",), _plain),
    "min_p": (("--min-p",), _plain),
    "typical_p": (("--typical", "--typical-p"), _plain),
    "max_tokens": (("--predict", "--n-predict", "-n"), _plain),
    "stop": (("--reverse-prompt", "-r"), tuple),
    "seed": (("--seed", "-s"), _plain),
    "presence_penalty": (("--presence-penalty",), _plain),
    "frequency_penalty": (("--frequency-penalty",), _plain),
    "repeat_penalty": (("--repeat-penalty",), _plain),
    "repeat_last_n": (("--repeat-last-n",), _plain),
    "logit_bias": (("--logit-bias", "-l"), _biases),
    "reasoning_budget": (("--reasoning-budget",), _plain),
}
"""Canonical parameters as flags: spellings, and what a value becomes; one flag for each word."""


def cli_arguments(
    request: Request, settings: EngineSettings, program: Program, *, word: str, template: str, answer: str, grammar: str
) -> list[str]:
    """The words for one answer. ``template``, ``answer`` and ``grammar`` are paths on the program's side.

    Raises:
        ConfigurationError: this build cannot be told something.
    """
    line = CommandLine(program)
    _check_age(program)
    line.words += arguments(settings, program)
    line.add("mode cli", ("--single-turn", "-st"))
    line.add("mode cli", ("--simple-io",))
    line.add("mode cli", ("--no-escape",))
    line.add("mode cli", ("--chat-template-file",), template)
    line.add("mode cli", ("--output-file", "--output", "-o"), answer)
    for flag in ("--jinja", "--no-warmup", "--offline", "--no-mmproj", "--no-show-timings"):
        line.add_known((flag,))
    line.add_known(("--log-colors",), "off")
    line.add_known(("--color", "-co"), "off")
    line.add_known(("--verbosity", "--log-verbosity", "-lv"), LOG_LEVEL)
    for name, value in request.parameters.items():
        if name in FLAGS:
            spellings, words = FLAGS[name]
            for said in words(value):
                line.add(f"parameter {name}", spellings, said)
    if "grammar" in request.parameters:
        line.add("parameter grammar", ("--grammar-file",), grammar)
    if (effort := request.parameter("reasoning_effort")) is not None:
        if effort == "none":
            line.add("parameter reasoning_effort", ("--reasoning", "-rea"), "off")
        else:
            line.add("parameter reasoning_effort", ("--reasoning-effort",), effort)
    line.words += checked_flags(settings.flags, program)
    line.add("mode cli", ("--prompt", "-p"), word)
    return line.words


def _check_age(program: Program) -> None:
    missing = [flag for flag in NEEDED if program.knows(flag) is None]
    if missing:
        raise ConfigurationError(
            f"{program.path} ({program.version}) is too old for mode cli: it has no {', '.join(missing)}; take a newer "
            "build of llama.cpp, or use mode server with its llama-server"
        )
