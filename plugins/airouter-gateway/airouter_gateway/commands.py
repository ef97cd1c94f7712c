"""``airouter serve`` and ``airouter gateway``. Imported when they are run."""

from __future__ import annotations

import datetime
import logging
import sys
import time
import warnings

import click

from airouter_core.cli.output import note, write_json
from airouter_core.cli.tables import write_table
from airouter_core.errors import UnsupportedParameterWarning

from .keys import KeyFile
from .running import bound_socket, make_gateway, serve_forever, shown_address

keys_option = click.option("--file", "path", type=click.Path(dir_okay=False), help="File of keys, if not your own.")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=click.Path(exists=True, dir_okay=False), help="Settings file, if not the one in force.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; beyond this machine it wants keys."
)
@click.option("--port", default=4100, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--quiet", is_flag=True, help="No line for each request.")
def serve(config: str | None, host: str, port: int, quiet: bool) -> None:
    """Serve models to the clients of OpenAI, Anthropic and Ollama.

    Models are addresses (PROVIDER/MODEL) and routes. Without settings the local models that are here are served, on
    this machine alone.
    """
    gateway = make_gateway(config, host)
    listening = bound_socket(host, port)
    address = shown_address(host, listening.getsockname()[1])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for name, level in (
        ("airouter.access", logging.WARNING if quiet else logging.INFO),
        ("airouter.gateway", logging.INFO),
    ):
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(level)
    note(f"serving {', '.join(gateway.serving.manager.names) or 'nobody'} at {address}")
    note(
        f"OpenAI: OPENAI_BASE_URL={address}/v1  Anthropic: ANTHROPIC_BASE_URL={address}  Ollama: OLLAMA_HOST={address}"
    )
    # What was left out is told to the client, in a header.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsupportedParameterWarning)
        serve_forever(gateway, listening)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def gateway() -> None:
    """Keys of the clients of `airouter serve`."""


@gateway.command()
@keys_option
@click.argument("name")
@click.option(
    "-m", "--model", "models", multiple=True, help="Address, route or pattern that it may use; all unless given."
)
@click.option("--rpm", type=click.IntRange(1), help="Requests a minute.")
@click.option("--days", type=click.FloatRange(0, min_open=True), help="Days until it expires.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(
    path: str | None, name: str, models: tuple[str, ...], rpm: int | None, days: float | None, as_json: bool
) -> None:
    """Make a key, and show it: this once."""
    expires = None if days is None else time.time() + days * 86400
    key, made = KeyFile(path).create(name, models=models, expires=expires, rpm=rpm)
    if as_json:
        write_json({"key": key, "name": made.name, "prefix": made.prefix})
        return
    click.echo(key)
    note("keep it now: it is not shown again, and only its hash is kept")


@gateway.command("list")
@keys_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(path: str | None, as_json: bool) -> None:
    """List the keys."""
    keys = KeyFile(path).keys()
    if as_json:
        shown = [
            {"name": key.name, "prefix": key.prefix, "models": key.models, "rpm": key.rpm, "expires": key.expires}
            for key in keys
        ]
        write_json(shown)
        return
    rows = [
        (key.name, f"{key.prefix}…", ", ".join(key.models) or "all", str(key.rpm or "-"), _day(key.expires))
        for key in keys
    ]
    write_table(("name", "begins", "models", "rpm", "expires"), rows)
    if not keys:
        note("no key: whoever reaches this machine's loopback may ask")


@gateway.command()
@keys_option
@click.argument("name")
def revoke(path: str | None, name: str) -> None:
    """Make a key useless, at once, also for a server that runs."""
    KeyFile(path).revoke(name)
    note(f"revoked {name}")


def _day(moment: float | None) -> str:
    return "-" if moment is None else datetime.datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M")
