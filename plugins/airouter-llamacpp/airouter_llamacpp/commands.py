"""``airouter llamacpp``: the servers that run, their logs, and their end. Imported when the command is run."""

from __future__ import annotations

import collections
import time

import click

from airouter_core.cli.output import note, write, write_json
from airouter_core.cli.tables import write_table
from airouter_core.errors import ConfigurationError

from .programs.records import RunningServer, ask_to_stop, folder_of, running_servers

PATIENCE = 10.0
"""Seconds to wait for a server to end."""

folder_option = click.option(
    "--dir", "folder", envvar="AIROUTER_LLAMACPP_DIR", help="Folder of logs and records, if log_dir names another one."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def llamacpp() -> None:
    """See and stop the llama-server processes that airouter runs."""


@llamacpp.command()
@folder_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ps(folder: str | None, as_json: bool) -> None:
    """List the servers."""
    servers = running_servers(folder_of(folder))
    if as_json:
        write_json(servers)
        return
    write_table(
        ("model", "state", "pid", "owner", "context", "since", "address", "id"),
        [
            (
                server.model,
                server.state,
                str(server.pid or "-"),
                str(server.owner),
                str(server.context),
                time.strftime("%H:%M:%S", time.localtime(server.started)),
                server.address or "-",
                server.id,
            )
            for server in servers
        ],
    )
    if not servers:
        note("no server runs")


@llamacpp.command()
@folder_option
@click.option("--all", "all_of_them", is_flag=True, help="Stop every server.")
@click.argument("which", metavar="[MODEL|PID|ID]", required=False)
def stop(folder: str | None, which: str | None, all_of_them: bool) -> None:
    """Stop a server, or all. A program that still uses it gets an error, and starts it again with its next call."""
    place = folder_of(folder)
    if bool(which) == all_of_them:
        raise click.UsageError("name a model, a process id or an id; or give --all")
    servers = running_servers(place) if all_of_them else _meant(place, str(which))
    for server in servers:
        ask_to_stop(place, server)
    ids = {server.id for server in servers}
    end = time.monotonic() + PATIENCE
    while left := [server for server in running_servers(place) if server.id in ids and server.state != "gone"]:
        if time.monotonic() > end:
            raise ConfigurationError(f"{', '.join(server.model for server in left)} did not end; see {left[0].log}")
        time.sleep(0.1)
    note(f"stopped {len(servers)}" if servers else "no server runs")


@llamacpp.command()
@folder_option
@click.option("-n", "--lines", default=40, show_default=True, type=click.IntRange(1), help="How many lines.")
@click.argument("which", metavar="[MODEL|PID|ID]", required=False)
def logs(folder: str | None, which: str | None, lines: int) -> None:
    """Print the end of a server's log: of the one named, or of the only one."""
    place = folder_of(folder)
    servers = _meant(place, which) if which else running_servers(place)
    if len(servers) != 1:
        names = ", ".join(server.id for server in servers)
        raise ConfigurationError(
            f"several servers run; name one of: {names}" if servers else f"no server runs; older logs are in {place}"
        )
    try:
        with open(servers[0].log, encoding="utf-8", errors="replace") as file:
            write("".join(collections.deque(file, lines)).removesuffix("\n"))
    except OSError as error:
        raise ConfigurationError(f"the log {servers[0].log} cannot be read: {error.strerror}") from error


def _meant(folder: str, which: str) -> list[RunningServer]:
    servers = running_servers(folder)
    found = [server for server in servers if which in (server.id, str(server.pid))]
    found = found or [server for server in servers if which in (server.model, server.model.rpartition("/")[2])]
    if not found:
        names = ", ".join(sorted({server.model for server in servers}))
        raise ConfigurationError(f"no server {which!r} runs" + (f"; there are: {names}" if names else ""))
    return found
