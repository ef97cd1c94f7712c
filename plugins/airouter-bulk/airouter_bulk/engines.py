"""Where the calls of a run are made, as the command line has it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import click

from airouter_core.cli.output import note
from airouter_core.config.files import Settings

from .reports import Summary
from .rows import Rows
from .spec import Spec


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the calls are made."""
    for option in (
        click.option(
            "--gpus", type=click.FloatRange(0), default=0, metavar="N", help="Ray: GPUs that each worker has to itself."
        ),
        click.option(
            "--workers",
            type=click.IntRange(1),
            metavar="N",
            help="Processes that make the calls: this one by default; with Ray one on each node.",
        ),
        click.option("--ray-address", metavar="HOST:PORT", help="Ray: the cluster, or `local`."),
        click.option("--engine", type=click.Choice(("local", "ray")), default="local", help="Who makes the calls."),
    ):
        command = option(command)
    return command


async def on_ray(
    spec: Spec,
    rows: Rows | None,
    folder: str,
    name: str,
    model: str,
    settings: Settings | None,
    *,
    ray_address: str | None,
    **more: Any,
) -> Summary:
    """Run on a cluster.

    Args:
        name: of the provider, or of its table.
    """
    from .ray.reference import by_settings
    from .ray.running import arun

    note("connecting to Ray, which may take a minute")
    with contextlib.redirect_stdout(sys.stderr):  # Ray tells there what dies; what we print may be JSON
        return await arun(spec, rows, folder, target=(by_settings(name, settings), model), address=ray_address, **more)
