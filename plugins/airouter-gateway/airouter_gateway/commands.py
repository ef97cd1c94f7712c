"""``airouter serve``. Imported when it is run."""

from __future__ import annotations

import os

import click

from airouter_core.cli.output import note
from airouter_core.config.folders import VARIABLE

from .running import BACKLOG, bound_socket, make_gateway, serve_forever, shown_address, write_log
from .workers import Workers


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=click.Path(exists=True, dir_okay=False), help="Settings file, if not the one in force.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; beyond this machine it wants keys."
)
@click.option("--port", default=4100, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes; several use several cores."
)
@click.option("--quiet", is_flag=True, help="No line for each request.")
def serve(config: str | None, host: str, port: int, workers: int, quiet: bool) -> None:
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
    write_log(quiet=quiet)
    note(f"serving {', '.join(gateway.serving.manager.names) or 'nobody'} at {address}")
    note(
        f"OpenAI: OPENAI_BASE_URL={address}/v1  Anthropic: ANTHROPIC_BASE_URL={address}  Ollama: OLLAMA_HOST={address}"
    )
    if workers == 1:
        serve_forever(gateway, listening)
        return
    # It has shown that the settings can be served; those who serve make their own.
    gateway.serving.manager.close()
    listening.listen(BACKLOG)
    Workers(listening, workers, host, quiet=quiet, drain=gateway.serving.settings.drain).run()
