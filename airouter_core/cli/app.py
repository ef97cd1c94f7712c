"""The group of commands: the core's own, and those that plugins add, each imported when it is run."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import click

from ..config.folders import VARIABLE
from ..errors import AirouterError, ConfigurationError, UnsupportedParameterWarning
from ..plugins.problems import loading
from ..plugins.registry import installed
from ..profile.declarations import Command
from ..version import VERSION
from .output import INTERRUPTED, complain, end_line, error_record, problem_record, told, warn, write, write_json
from .streams import written_wrongly

HELP_ASKED: type[click.ClickException] | tuple[()] = getattr(click.exceptions, "NoArgsIsHelpError", ())
"""What a group without a command raises; click 8.1 shows the help itself."""

CLI = "airouter_core.cli"

OWN = (
    Command(name="setup", target=f"{CLI}.setup:setup", help="Begin here: a provider, a key, a model, an answer."),
    Command(name="run", target=f"{CLI}.run:run", help="Ask a model."),
    Command(name="chat", target=f"{CLI}.chat:chat", help="Talk with a model."),
    Command(name="compare", target=f"{CLI}.compare:compare", help="Ask several models the same."),
    Command(name="models", target=f"{CLI}.lists:models", help="List models; `models default` sets yours."),
    Command(name="embed", target=f"{CLI}.ask:embed", help="Make vectors of text."),
    Command(name="image", target=f"{CLI}.ask:image", help="Make an image."),
    Command(name="moderate", target=f"{CLI}.ask:moderate", help="Ask whether a text breaks a provider's rules."),
    Command(name="tokens", target=f"{CLI}.ask:tokens", help="Count tokens."),
    Command(name="providers", target=f"{CLI}.lists:providers", help="List the providers that are installed."),
    Command(name="plugins", target=f"{CLI}.lists:plugins", help="List plugins, and what is wrong with them."),
    Command(name="install", target=f"{CLI}.installing:install", help="Install plugins into this environment."),
    Command(name="uninstall", target=f"{CLI}.installing:uninstall", help="Remove plugins from this environment."),
    Command(name="params", target=f"{CLI}.doctor:params", help="List parameters, and who takes them."),
    Command(name="doctor", target=f"{CLI}.doctor:doctor", help="Check everything, and say what to do next."),
    Command(name="config", target=f"{CLI}.config:config", help="Write, show and check the settings file."),
    Command(name="aliases", target=f"{CLI}.aliases:aliases", help="Short names for models."),
    Command(name="fragments", target=f"{CLI}.fragments:fragments", help="Short names for texts, for -f."),
    Command(name="templates", target=f"{CLI}.templates:templates", help="Keep questions with gaps, for -t."),
    Command(name="keys", target=f"{CLI}.keys:keys", help="Store, list and forget API keys."),
    Command(
        name="new-plugin",
        target="airouter_core.testing.new_plugin:command",
        help="Write a provider plugin that passes the kit.",
    ),
    Command(
        name="record-provider",
        target="airouter_core.testing.record:command",
        help="Record a provider for a plugin's tests.",
    ),
    Command(name="completion", target=f"{CLI}.completion:completion", help="Complete commands in your shell."),
)


class LazyGroup(click.Group):
    """Knows its commands by name and help; imports the one that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_commands())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = _commands().get(cmd_name)
        if command is None:
            return None
        module, _, attribute = command.target.partition(":")
        with loading(f"command {cmd_name!r} of {command.distribution or 'airouter-core'} cannot be imported"):
            found: click.Command = getattr(importlib.import_module(module), attribute)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not ctx.resilient_parsing and args[0] not in _commands():
            import difflib

            from .available import not_installed

            brings = not_installed(args[0])
            near = difflib.get_close_matches(args[0], _commands(), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            if brings is not None:
                hint = f"; it comes with {brings}, which is not installed: `airouter install {args[0]}`"
            ctx.fail(f"No such command {args[0]!r}{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise BrokenPipeError from error  # without its number, by which click would end the process as a failure

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The help is declared beside the name, so that asking for it imports no command.
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.help) for name, command in _commands().items()])


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="airouter")
@click.option("--config", "path", metavar="PATH", help="Settings file, in place of the one that is found.")
@click.option("--debug", is_flag=True, help="Show what is sent (without keys and prompts), and tracebacks.")
@click.pass_context
def app(context: click.Context, path: str | None, debug: bool) -> None:
    """One interface to any language model, local or cloud."""
    context.obj = debug
    if path is not None:
        os.environ[VARIABLE] = path  # which programs that this one starts have to see too
    if debug:
        logging.basicConfig(level=logging.DEBUG, format="%(name)s: %(message)s", stream=sys.stderr)
        logging.getLogger("urllib3").setLevel(logging.WARNING)
    if context.invoked_subcommand is None:
        from .first_steps import first_steps

        write(first_steps())


def run_app(arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the result is the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    with warnings.catch_warnings():
        # What was left out is in the response's warnings, which the commands show.
        warnings.simplefilter("ignore", UnsupportedParameterWarning)
        warnings.showwarning = _shown(warnings.showwarning)
        return _exit_code(
            lambda: app.main(list(arguments), prog_name="airouter", standalone_mode=False),
            debug="--debug" in options,
            as_json="--json" in options,
        )


def _shown(usually: Callable[..., None]) -> Callable[..., None]:
    """Our own warnings as the command line says things; who reads it does not care which line of ours gave them."""

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if category.__module__ == AirouterError.__module__:
            warn(str(message))
        else:
            usually(message, category, *where)

    return show


def _exit_code(call: Callable[[], Any], *, debug: bool, as_json: bool) -> int:
    try:
        result = call()
    except click.exceptions.Exit as end:
        return end.exit_code
    except HELP_ASKED as error:
        error.show()
        return error.exit_code
    except (click.ClickException, click.Abort, KeyboardInterrupt, OSError, AirouterError) as error:
        if debug and isinstance(error, AirouterError):
            raise
        return _failed(error, as_json=as_json)
    return result if isinstance(result, int) else 0


def _failed(error: BaseException, *, as_json: bool) -> int:
    """Say what went wrong, to people and with ``--json`` to programs too; the exit code."""
    match error:
        case AirouterError():
            # A command whose exit codes mean something of their own says its code with the error.
            code = getattr(error, "exit_code", 2 if isinstance(error, ConfigurationError) else 1)
            record = error_record(error)
        case click.ClickException():
            code, record = error.exit_code, problem_record(type(error).__name__, _usage(error))
        case OSError() if error.filename is None:
            return written_wrongly(error)
        case OSError():
            code, record = 1, problem_record("OSError", told(error))
        case _:
            end_line()  # in which the terminal has shown ^C
            code, record = INTERRUPTED, problem_record("Interrupted", "interrupted")
    if as_json:
        write_json({"error": record})
    complain(str(record["message"]))
    return code


def _usage(error: click.ClickException) -> str:
    """A command line that cannot be understood: click says it in four lines, all others in one."""
    said = " ".join(error.format_message().split()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return said if context is None else f"{said} (`{context.command_path} --help`)"


def _commands() -> dict[str, Command]:
    commands = {command.name: command for command in OWN}
    for command in installed().commands():
        commands.setdefault(command.name, command)
    return commands
