r"""Templates: a question with gaps, and who is to answer it; a TOML file for each, easy to read and to share.

::

    description = "Say what changed, for a changelog."
    model = "fast"
    system = "You are a release manager."
    prompt = "Summarise for $audience:\n\n$input"

    [parameters]
    temperature = 0.2

    [defaults]
    audience = "users"

``$name`` is a variable, ``$input`` what is asked or piped in, ``$$`` a dollar sign.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from string import Template as Gaps
from typing import Any

import attrs

from ...config.folders import config_folder
from ...config.writing import write_whole
from ...errors import ConfigurationError
from .editing import parsed_toml, read_text, toml_key, toml_string

INPUT = "input"
ENDING = ".toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TEXTS = ("description", "model", "system", "prompt", "schema")
_LISTS = ("tools",)
_TABLES = ("parameters", "defaults")
_KINDS = {"a text": str, "a list": list, "a table": dict}


@attrs.frozen
class Template:
    """A question with gaps.

    Attributes:
        prompt: with variables; what is asked stands below it unless it has ``$input``.
        system: the system prompt, with variables.
        model: an address or an alias.
        schema: of the answer, as ``--schema`` takes it.
        tools: that the model may call, as ``--tool`` takes them.
        parameters: by canonical name or alias.
        defaults: of variables.
    """

    description: str | None = None
    model: str | None = None
    system: str | None = None
    prompt: str | None = None
    parameters: Mapping[str, Any] = attrs.field(factory=dict)
    defaults: Mapping[str, str] = attrs.field(factory=dict)
    schema: str | None = None
    tools: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of its gaps in order of appearance, without ``input``."""
        found = [name for text in (self.system, self.prompt) for name in Gaps(text or "").get_identifiers()]
        return tuple(name for name in dict.fromkeys(found) if name != INPUT)

    @property
    def wants_input(self) -> bool:
        """Whether it has a gap for what is asked."""
        return any(INPUT in Gaps(text or "").get_identifiers() for text in (self.system, self.prompt))

    def filled(self, asked: str = "", variables: Mapping[str, str] | None = None) -> tuple[str, str | None]:
        """The prompt and the system prompt, with nothing left open.

        Raises:
            ConfigurationError: a variable has no value, is not one of the template's, or there is nothing to ask.
        """
        given = variables or {}
        for name in given:
            if name not in self.variables:
                raise ConfigurationError(_unknown_variable(name, self.variables))
        values = {**self.defaults, **given}
        if missing := [name for name in self.variables if name not in values]:
            raise ConfigurationError(f"the template needs {', '.join(f'-v {name}=…' for name in missing)}")
        if self.wants_input and not asked.strip():
            raise ConfigurationError("the template needs something to work on: give it as PROMPT, or pipe it in")
        values[INPUT] = asked
        prompt, system = (
            None if text is None else Gaps(text).safe_substitute(values) for text in (self.prompt, self.system)
        )
        parts = [prompt or "", "" if self.wants_input else asked]
        return "\n\n".join(part for part in parts if part.strip()), system

    def to_toml(self) -> str:
        """The file's text."""
        lines = [f"{name} = {toml_string(text)}" for name in _TEXTS if (text := getattr(self, name)) is not None]
        lines += [f"{name} = {_value(given)}" for name in _LISTS if (given := getattr(self, name))]
        for table in _TABLES:
            if values := getattr(self, table):
                lines += ["", f"[{table}]", *(f"{toml_key(name)} = {_value(value)}" for name, value in values.items())]
        return "\n".join(lines) + "\n"


def templates_folder(environ: Mapping[str, str] | None = None) -> str:
    """Where they are kept."""
    return os.path.join(config_folder(environ), "templates")


def template_file(name: str, environ: Mapping[str, str] | None = None) -> str:
    """The file of a template: one of the user's own by its name, any other by a path that ends in ``.toml``.

    Raises:
        ConfigurationError: the name is none that a template can have.
    """
    if name.endswith(ENDING):
        return os.path.expanduser(name)
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"a template is called by a word of letters, digits, '.', '_' and '-', not {name!r}")
    return os.path.join(templates_folder(environ), name + ENDING)


def template_names(environ: Mapping[str, str] | None = None) -> list[str]:
    """The names of the user's own templates."""
    folder = templates_folder(environ)
    found = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(name.removesuffix(ENDING) for name in found if name.endswith(ENDING) and not name.startswith("."))


def read_template(name: str, environ: Mapping[str, str] | None = None) -> Template:
    """A template by its name, or by the path of its file.

    Raises:
        ConfigurationError: there is none, or it holds something else.
    """
    path = template_file(name, environ)
    if not os.path.isfile(path):
        near = difflib.get_close_matches(name, template_names(environ), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`airouter templates list` shows which there are"
        raise ConfigurationError(f"there is no template {name!r}; {hint}")
    return parsed_template(read_text(path), path)


def parsed_template(text: str, path: str) -> Template:
    """What a template's text says.

    Args:
        path: of its file, for the errors.

    Raises:
        ConfigurationError: it is no TOML, or holds what a template does not have.
    """
    content = parsed_toml(text, path)
    known = {**dict.fromkeys(_TEXTS, "a text"), **dict.fromkeys(_LISTS, "a list"), **dict.fromkeys(_TABLES, "a table")}
    for key, value in content.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(known)}"
            raise ConfigurationError(f"{path!r}: a template has no {key!r}; {hint}")
        if not isinstance(value, _KINDS[known[key]]):
            raise ConfigurationError(f"{path!r}: {key} must be {known[key]}, not {value!r}")
    for name in content.get("tools", ()):
        if not isinstance(name, str):
            raise ConfigurationError(f"{path!r}: tools must be names, not {name!r}")
    for name, value in content.get("defaults", {}).items():
        if not isinstance(value, str):
            raise ConfigurationError(f"{path!r}: the default of {name} must be a text, not {value!r}")
    return Template(**{**content, "tools": tuple(content.get("tools", ()))})


def save_template(name: str, template: Template, environ: Mapping[str, str] | None = None) -> str:
    """Write a template, in place of an earlier one of this name; the file's path.

    Raises:
        ConfigurationError: the name is none, or it cannot be written.
    """
    path = template_file(name, environ)
    write_whole(path, template.to_toml(), f"the template {name}")
    return path


def _unknown_variable(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known) or 'none'}"
    return f"the template has no variable {name!r}; {hint}"


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case dict():
            return "{" + ", ".join(f"{toml_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    return toml_string(str(value))
