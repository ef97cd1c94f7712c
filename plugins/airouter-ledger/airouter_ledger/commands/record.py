"""``airouter record``: run a program and keep what it is answered, to be replayed in its tests."""

from __future__ import annotations

import os
import subprocess

import click

from airouter_core.cli.output import note
from airouter_core.errors import ConfigurationError

from ..cassettes import MODE_VARIABLE, MODES, Cassette, Mode
from ..plugin import CASSETTE


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--mode", type=click.Choice(MODES), default="record", show_default=True, help="strict replays.")
@click.argument("cassette", type=click.Path(dir_okay=False))
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def record(mode: Mode, cassette: str, command: tuple[str, ...]) -> None:
    """Run COMMAND and keep the answers of all its calls in CASSETTE.

    Replay them with `--mode strict`, or by AIROUTER_CASSETTE=CASSETTE in the environment of the program's tests.
    """
    Cassette(cassette, mode).close()  # what is wrong with it is said before the program runs
    environment = {**os.environ, CASSETTE: os.path.abspath(cassette), MODE_VARIABLE: mode}
    try:
        done = subprocess.run(command, env=environment, check=False)  # noqa: S603  # to run it is what was asked
    except OSError as error:
        raise ConfigurationError(f"cannot run {command[0]!r}: {error.strerror or error}") from error
    if mode == "record" and done.returncode == 0:
        note(f"{cassette} is recorded")
    raise click.exceptions.Exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)
