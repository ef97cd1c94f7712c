"""``airouter serve``. Imported when it is run."""

from __future__ import annotations

import logging
import os
import sys
import warnings

import click

from airouter_core.cli.output import note
from airouter_core.config.files import VARIABLE
from airouter_core.errors import UnsupportedParameterWarning

from .running import bound_socket, make_gateway, serve_forever, shown_address


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
    if config is not None:
        # In force for all that reads settings in this process: budgets, prices and the cache are the ledger's to read.
        os.environ[VARIABLE] = os.path.abspath(config)
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
