"""``-t NAME`` and ``-v NAME=VALUE``: a template filled with what a command was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import click

from ..errors import ConfigurationError, ParameterError
from .choices import NAME_AND_VALUE, Function, given_parameters
from .own_files.templates import ENDING, Template, read_template

if TYPE_CHECKING:
    from ..profile.resolving import ParameterTable

template_option = click.option(
    "-t", "--template", metavar="NAME", help="Template, or the path of one; see `airouter templates`."
)
variables_option = click.option(
    "-v",
    "--variable",
    "variables",
    multiple=True,
    type=NAME_AND_VALUE,
    metavar="NAME=VALUE",
    help="Variable of the template.",
)


def template_options(function: Function) -> Function:
    """The options of a command that can fill a template."""
    return template_option(variables_option(function))


@attrs.frozen
class Chosen:
    """The template that a command names, or none, which changes nothing."""

    template: Template
    variables: Mapping[str, str]

    def fill(self, asked: str) -> tuple[str, str | None]:
        """The prompt and the system prompt for what is asked.

        Raises:
            ConfigurationError: the template cannot be filled.
        """
        return self.template.filled(asked, self.variables)

    def addressed(self, provider: str | None, model: str | None) -> str | None:
        """The model: what the command line says, before what the template does."""
        return model or (None if provider else self.template.model)

    def with_parameters(self, options: Sequence[str], table: ParameterTable) -> dict[str, Any]:
        """Its parameters, and those of ``-o`` in their place, under whatever spelling.

        Raises:
            ParameterError: one is unknown, or one of ``-o`` cannot be read.
        """
        given = given_parameters(options, table)
        named = {table.find(name).name for name in given}
        kept = {name: value for name, value in self.template.parameters.items() if table.find(name).name not in named}
        return kept | given


def chosen_template(name: str | None, variables: Sequence[str]) -> Chosen:
    """The template that ``-t`` names, with the variables of ``-v``.

    Raises:
        ConfigurationError: there is none, or it cannot be filled with these.
    """
    if name is None:
        if variables:
            raise click.UsageError("-v sets a variable of a template: name one with -t.")
        return Chosen(Template(), {})
    chosen = Chosen(read_template(name), given_variables(variables, "-v"))
    if name.endswith(ENDING) and any(":" in tool for tool in chosen.template.tools):
        raise ConfigurationError(
            f"{name} names functions of modules as tools, and would have them imported: give those with --tool, or "
            "save the template as one of your own"
        )
    chosen.fill("anything")  # what is missing is told before anything is asked
    return chosen


def given_variables(variables: Sequence[str], option: str) -> dict[str, str]:
    """Variables from ``name=value`` texts.

    Raises:
        ParameterError: one is none.
    """
    given: dict[str, str] = {}
    for variable in variables:
        name, equals, value = variable.partition("=")
        if not equals or not name.strip():
            raise ParameterError(f"{option} takes NAME=VALUE, not {variable!r}")
        given[name.strip()] = value
    return given
