"""``airouter templates``: questions with gaps, kept and shared."""

from __future__ import annotations

import os

import click

from ..errors import ConfigurationError
from ..plugins.registry import installed
from .choices import given_parameters, json_option, model_option, parameters_option, system_option
from .input import TEXT
from .output import note, write, write_json
from .own_files.templates import (
    Template,
    parsed_template,
    read_template,
    save_template,
    template_file,
    template_names,
    templates_folder,
)
from .shaping import chosen_schema, schema_option
from .tables import write_table
from .targets import named_target
from .templating import given_variables
from .tooling import tool_option

BEGINNING = """\
# $name is a variable, $input what is asked or piped in, $$ a dollar sign.
# description = "What it is for."
# model = "PROVIDER/MODEL, or an alias"
# system = "You are brief."
prompt = "$input"
# schema = "name, age int, tags list"
# tools = ["calculate"]

# [parameters]
# temperature = 0.2

# [defaults]
# name = "value of a variable"
"""


@click.group()
def templates() -> None:
    """Questions with gaps, for `airouter run -t NAME`: prompt, system prompt, model and parameters.

    Each is a file NAME.toml in your settings folder. -t also takes the path of a file that somebody has given you.
    """


@templates.command()
@model_option
@system_option
@parameters_option
@schema_option
@tool_option
@click.option("--default", "defaults", multiple=True, metavar="NAME=VALUE", help="What a variable is unless -v says.")
@click.option("--description", metavar="TEXT", help="What it is for.")
@click.option("--force", is_flag=True, help="Overwrite.")
@click.argument("name")
@click.argument("prompt", required=False, type=TEXT)
def save(
    model: str | None,
    system: str | None,
    options: tuple[str, ...],
    schema: str | None,
    tools: tuple[str, ...],
    defaults: tuple[str, ...],
    description: str | None,
    force: bool,
    name: str,
    prompt: str | None,
) -> None:
    """Save a template: PROMPT and -s with $variables, and what else `run` takes.

    Such as: airouter templates save review -s 'You review code for $team.' 'Review this: $input'
    """
    if not (prompt or system or model or options or schema or tools):
        raise click.UsageError("A template needs at least one of PROMPT, -s, -m, -o, --schema and --tool.")
    chosen_schema(schema)  # what is wrong with it is told now
    path = template_file(name)
    if os.path.exists(path) and not force:
        raise ConfigurationError(f"{path} is there already; --force overwrites it, `templates edit` changes it")
    provider = named_target(None, model)[0] if model else ""
    parameters = given_parameters(options, installed().parameters(provider))
    made = Template(
        description, model, system, prompt, parameters, given_variables(defaults, "--default"), schema, tools
    )
    write(save_template(name, made))


@templates.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List templates, with their variables."""
    found = {name: read_template(name) for name in template_names()}
    if as_json:
        write_json({name: _known(template) for name, template in found.items()})
        return
    rows = [
        (name, ", ".join(template.variables) or "-", template.model or "-", template.description or _short(template))
        for name, template in found.items()
    ]
    write_table(("template", "variables", "model", "what it is for"), rows)
    note(f"{len(rows)} in {templates_folder()}" if rows else "none; `airouter templates save NAME …` makes one")


@templates.command()
@json_option
@click.argument("name")
def show(as_json: bool, name: str) -> None:
    """Print a template."""
    template = read_template(name)
    if as_json:
        write_json(_known(template))
        return
    with open(template_file(name), encoding="utf-8") as file:
        write(file.read().rstrip("\n"))


@templates.command()
@click.argument("name")
def edit(name: str) -> None:
    """Change a template in your editor ($VISUAL or $EDITOR); a new one begins with an example."""
    path = template_file(name)
    before = BEGINNING
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            before = file.read()
    edited = click.edit(before, extension=".toml")
    if edited is None or edited == before:
        note("nothing was changed")
        return
    while True:
        try:
            parsed_template(edited, path)
            break
        except ConfigurationError as error:
            note(str(error))
            if not click.confirm("Edit again? (No loses what you wrote.)", default=True, err=True):
                raise
            edited = click.edit(edited, extension=".toml") or edited
    from ..config.writing import write_whole

    write_whole(path, edited, f"the template {name}")
    write(path)


@templates.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a template of your own."""
    if name not in template_names():
        raise ConfigurationError(f"there is no template {name!r}; `airouter templates list` shows which there are")
    os.unlink(template_file(name))
    note(f"removed: {name}")


def _short(template: Template) -> str:
    said = " ".join((template.prompt or template.system or "").split())
    return said if len(said) <= 60 else said[:59] + "…"


def _known(template: Template) -> dict[str, object]:
    return {
        "description": template.description,
        "model": template.model,
        "system": template.system,
        "prompt": template.prompt,
        "schema": template.schema,
        "tools": template.tools,
        "parameters": dict(template.parameters),
        "defaults": dict(template.defaults),
        "variables": template.variables,
    }
