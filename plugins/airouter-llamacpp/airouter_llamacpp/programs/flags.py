"""From settings to a command line that this build of a program understands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from airouter_core.errors import ConfigurationError, ParameterError

from ..settings import EngineSettings
from .program import Program

NUMBER = re.compile(r"[-+]?\.?\d")

OWNED = {
    **dict.fromkeys(
        (
            *("-m", "--model", "-mu", "--model-url", "-hf", "-hfr", "--hf-repo", "-hff", "--hf-file"),
            *("-dr", "--docker-repo", "--models-dir", "--models-preset"),
        ),
        "model=",
    ),
    **dict.fromkeys(("--host", "--reuse-port"), "airouter, which keeps to the loopback"),
    "--port": "the setting port",
    **dict.fromkeys(("--api-key", "--api-key-file"), "airouter, with a random key"),
    **dict.fromkeys(("-a", "--alias", "--api-prefix"), "airouter"),
    **dict.fromkeys(("--ssl-key-file", "--ssl-cert-file"), "nobody: what is said stays on this machine"),
    **dict.fromkeys(
        (
            *("--log-disable", "--log-file", "-lv", "--verbosity", "--log-verbosity", "--log-jsonl"),
            *("--log-colors", "--log-prompts-dir"),
        ),
        "airouter, which reads the log (in log_dir); -v makes it tell everything",
    ),
    **dict.fromkeys(
        (
            *("-h", "--help", "--usage", "--version", "--list-devices", "-cl", "--cache-list", "--completion-bash"),
            *("--license",),
        ),
        "nobody",
    ),
}
"""Flags that are no caller's to give, and who sets them instead."""

REMOVED = "the argument has been removed"
"""What the help says of a flag that only remains to tell of its successor."""
OWN_MODEL = re.compile(r"--(?!spec-)[\w.-]+-(default|spec)")
"""Flags such as ``--gpt-oss-20b-default`` fetch a model of their own, and set everything for it."""

OWNED_BY_CLI = dict.fromkeys(
    (
        *("-p", "--prompt", "-f", "--file", "-bf", "--binary-file", "-sys", "--system-prompt", "-sysf"),
        *("--system-prompt-file", "-st", "--single-turn", "-o", "--output", "--output-file", "-e", "--escape"),
        *("--chat-template", "--chat-template-file", "--no-jinja", "-mli", "--multiline-input", "--server-base"),
        *("--log-disable", "--log-file", "-lv", "--verbosity", "--log-verbosity", "-v", "--verbose", "--log-jsonl"),
        *("--image", "--audio", "--video"),
    ),
    "mode cli; mode server leaves more free",
)


class CommandLine:
    """The words after a program's name, each flag in a spelling that the program knows."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.words: list[str] = []

    def add(self, setting: str, spellings: Sequence[str], *values: object) -> None:
        """Add a flag with its values.

        Raises:
            ConfigurationError: this build has no such flag.
        """
        flag = self._program.knows(*spellings)
        if flag is None:
            raise ConfigurationError(
                f"{self._program.path} ({self._program.version}) has no flag {spellings[0]}, so {setting} cannot be "
                "set; leave it out, or take another build of llama.cpp"
            )
        self.words += [flag, *map(str, values)]

    def add_known(self, spellings: Sequence[str], *values: object) -> bool:
        """Add a flag if the program knows it, and as one with a value if there are values; say whether it was added."""
        flag = self._program.flags.get(self._program.knows(*spellings) or "")
        if flag is None or (values and not flag.value):
            return False
        self.add("", spellings, *values)
        return True


def arguments(settings: EngineSettings, program: Program) -> list[str]:
    """The flags that both programs share: the model, and how it is run.

    Raises:
        ConfigurationError: a setting cannot be said to this build.
    """
    line = CommandLine(program)
    there = program.system.there
    line.add("model", ("--model", "-m"), there(settings.path))
    line.add("context", ("--ctx-size", "-c"), settings.context)
    for setting, spellings, value in (
        ("default_threads", ("--threads", "-t"), settings.threads),
        ("batch_threads", ("--threads-batch", "-tb"), settings.batch_threads),
        ("default_gpu_layers", ("--gpu-layers", "--n-gpu-layers", "-ngl"), settings.gpu_layers),
        ("split_mode", ("--split-mode", "-sm"), settings.split_mode),
        ("tensor_split", ("--tensor-split", "-ts"), ",".join(f"{share:g}" for share in settings.tensor_split) or None),
        ("main_gpu", ("--main-gpu", "-mg"), settings.main_gpu),
        ("cache_type_k", ("--cache-type-k", "-ctk"), settings.cache_type_k),
        ("cache_type_v", ("--cache-type-v", "-ctv"), settings.cache_type_v),
        ("batch_size", ("--batch-size", "-b"), settings.batch_size),
        ("micro_batch_size", ("--ubatch-size", "-ub"), settings.micro_batch_size),
    ):
        if value is not None:
            line.add(setting, spellings, _layers(value, program))
    _add_flash_attention(line, settings, program)
    _add_load_mode(line, settings, program)
    for path, scale in settings.lora:
        _add_adapter(line, there(path), scale, program)
    if settings.draft_model is not None:
        line.add("draft_model", ("--spec-draft-model", "--model-draft", "-md"), there(settings.draft_model))
        kinds = program.flags.get("--spec-type")
        if kinds is not None and settings.draft_type in re.split(r"[,\s]+", kinds.text):
            line.add("draft_model", ("--spec-type",), settings.draft_type)
        for setting, value in (("max", settings.draft_max), ("min", settings.draft_min)):
            if value is not None:
                line.add(f"draft_{setting}", (f"--spec-draft-n-{setting}", f"--draft-{setting}"), value)
    return line.words


def checked_flags(flags: Iterable[str], program: Program) -> list[str]:
    """Flags given as they are, if the program knows them all.

    Raises:
        ParameterError: it does not know one, or one is not the caller's to give.
    """
    given = list(flags)
    owned = OWNED if program.serves else {**OWNED, **OWNED_BY_CLI}
    values, flag = 0, ""
    for word in given:
        if "\0" in word:
            raise ParameterError("special_flags: a flag holds a NUL character")
        if values and word in program.flags:
            break
        if values or not word.startswith("-") or NUMBER.match(word):
            values = max(0, values - 1)
            continue
        flag = word
        if word in owned or OWN_MODEL.fullmatch(word):
            raise ParameterError(f"special_flags: {word} is set by {owned.get(word, 'model=')}, and cannot be given")
        if word not in program.flags:
            raise ParameterError(
                f"special_flags: {program.path} ({program.version}) has no flag {word!r}{_meant(word, program)}"
            )
        if REMOVED in program.flags[word].text:
            raise ParameterError(f"special_flags: {' '.join(program.flags[word].text.split())}")
        values = program.flags[word].values
    if values:
        what = program.flags[flag].value
        raise ParameterError(f"special_flags: {flag} needs a value ({what}); write it as the next word")
    return given


def _meant(word: str, program: Program) -> str:
    """A hint at what may have been meant by a flag that there is not."""
    name, apart, _ = word.partition("=") if "=" in word else word.partition(" ")
    if apart and name in program.flags:
        return f"; write it as two words: {name!r} and its value"
    return program.closest(word)


def _layers(value: object, program: Program) -> object:
    """Builds from before ``auto`` and ``all`` take numbers only."""
    flag = program.flags.get(program.knows("--gpu-layers", "--n-gpu-layers", "-ngl") or "")
    return 999 if value == "all" and flag is not None and "'all'" not in flag.text else value


def _add_flash_attention(line: CommandLine, settings: EngineSettings, program: Program) -> None:
    if settings.flash_attention is None:
        return
    spellings = ("--flash-attn", "-fa")
    flag = program.flags.get(program.knows(*spellings) or "")
    if flag is None or flag.value:
        line.add("flash_attention", spellings, settings.flash_attention)
    elif settings.flash_attention == "on":  # older builds: a switch that is off unless given
        line.add("flash_attention", spellings)


def _add_load_mode(line: CommandLine, settings: EngineSettings, program: Program) -> None:
    mode = settings.load_mode
    if mode is None or (mode == "auto" and not program.knows("--load-mode")):
        return
    if program.knows("--load-mode", "-lm"):
        line.add("load_mode", ("--load-mode", "-lm"), mode)
        return
    # Older builds map the model unless told otherwise, and have a flag for each wish.
    for wish, flag in (("mlock", "--mlock"), ("dio", "--direct-io")):
        if wish in mode:
            line.add("load_mode", (flag,))
    if "mmap" not in mode:
        line.add("load_mode", ("--no-mmap",))


def _add_adapter(line: CommandLine, path: str, scale: float, program: Program) -> None:
    if "," in path:
        raise ConfigurationError(f"lora: llama.cpp takes a comma for the end of a path; rename {path!r}")
    if scale == 1:
        line.add("lora", ("--lora",), path)
        return
    flag = program.flags.get("--lora-scaled")
    # Older builds take path and scale as two words.
    apart = flag is not None and flag.values == 2
    line.add("lora", ("--lora-scaled",), *((path, f"{scale:g}") if apart else (f"{path}:{scale:g}",)))
