"""``airouter bulk``: runs from the command line. Needs ``airouter-core[cli]``."""

from __future__ import annotations

import os
from typing import Any

import click
import msgspec

from airouter_core.cli.output import note, write, write_json
from airouter_core.config.folders import VARIABLE
from airouter_core.errors import ConfigurationError, FailureClass

from .console import agree, carried_out, run_in, show, stop_batches
from .engines import engine_options
from .journal import admission, attempts, batches
from .journal.files import held, opened, transaction
from .outcomes import VETOED
from .reports import Summary
from .rows import check, count_of
from .running import exported
from .spec import Spec

NOT_RUN = 1
CLASSES = (*(str(one) for one in FailureClass), VETOED, "invalid", "expired", "canceled", "cancelled")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
folder_argument = click.argument("folder", metavar="OUT", type=click.Path(file_okay=False))
config_option = click.option(
    "--config",
    metavar="PATH",
    type=click.Path(dir_okay=False),
    help="Settings file, in place of the one that is found.",
)
yes_option = click.option("-y", "--yes", is_flag=True, help="Ask nothing before the run.")


class _Commands(click.Group):
    """Says wrong usage and wrong settings with 1, since 2 says that some rows have failed."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.UsageError, ConfigurationError) as error:
            vars(error)["exit_code"] = NOT_RUN  # where the command line looks for it
            raise


@click.group(cls=_Commands)
def bulk() -> None:
    """Run a prompt over a table. What was answered is never asked, or paid for, again.

    Exit codes: 0 every row is answered, 1 it could not be run, 2 some rows failed, 3 the budget is reached, 4 paused:
    run it again to go on.
    """


@bulk.command()
@click.argument("spec", type=click.Path(dir_okay=False))
@click.option("-i", "--input", "rows", metavar="FILE", required=True, help="Rows: JSON lines, CSV or Parquet.")
@click.option("-o", "--output", "folder", metavar="OUT", required=True, help="Folder of the answers and the journal.")
@config_option
@click.option(
    "--sample",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Ask N rows by chance first, and show what all would cost.",
)
@yes_option
@click.option("--batch", is_flag=True, help="Hand in batches of the vendor: half the price, within a day.")
@click.option("--fork", is_flag=True, help="Another specification or other rows; equal questions keep their answers.")
@engine_options
@json_option
def run(
    spec: str,
    rows: str,
    folder: str,
    config: str | None,
    sample: int,
    yes: bool,
    batch: bool,
    fork: bool,
    as_json: bool,
    **engine: Any,
) -> int:
    """Ask the prompt of SPEC (TOML) of every row. The same command again goes on where it ended."""
    wanted = Spec.of(spec)
    if batch:
        wanted = msgspec.structs.replace(wanted, lane="batch")
    _use(config)
    check(rows)
    if not yes and not sample:
        agree(f"Ask {wanted.target} about {count_of(rows)} rows, {_bound(wanted)}?")
    return carried_out(wanted, rows, folder, as_json=as_json, sample=sample, yes=yes, fork=fork, **engine)


@bulk.command()
@folder_argument
@click.option("-i", "--input", "rows", metavar="FILE", help="The rows again, where not all were read.")
@config_option
@engine_options
@json_option
def resume(folder: str, rows: str | None, config: str | None, as_json: bool, **engine: Any) -> int:
    """Go on with the run in OUT."""
    _use(config)
    return carried_out(None, rows, folder, as_json=as_json, **engine)


@bulk.command()
@folder_argument
@click.option("--class", "classes", multiple=True, type=click.Choice(CLASSES), help="Only failures of this class.")
@config_option
@engine_options
@json_option
def retry(folder: str, classes: tuple[str, ...], config: str | None, as_json: bool, **engine: Any) -> int:
    """Ask again what has failed in OUT."""
    _use(config)
    with held(folder), opened(folder, new=False) as connection:
        run_there = run_in(connection, folder)
        with transaction(connection):
            count = attempts.retry(connection, run_there.id, classes)
    note(f"{count} {'question is' if count == 1 else 'questions are'} asked again")
    return carried_out(None, None, folder, as_json=as_json, **engine)


@bulk.command()
@folder_argument
@json_option
def status(folder: str, as_json: bool) -> None:
    """Show how the run in OUT stands; also while it goes on."""
    with opened(folder, new=False) as connection:
        run_there = run_in(connection, folder)
        show(Summary.of(run_there, attempts.tally(connection, run_there.id)), as_json)


@bulk.command()
@folder_argument
@json_option
def cost(folder: str, as_json: bool) -> None:
    """Show what all runs in OUT have cost, by who says so."""
    with opened(folder, new=False) as connection:
        found = attempts.costs(connection)
    if as_json:
        write_json([line._asdict() for line in found])
        return
    for line in found:
        calls = "call" if line.calls == 1 else "calls"
        write(
            f"run {line.run}: {line.calls} {calls}, {line.amount:f} USD ({line.priced_by or 'reserved, not settled'})"
        )


@bulk.command()
@folder_argument
@json_option
def export(folder: str, as_json: bool) -> int:
    """Write the files of the run in OUT again, from its journal."""
    with held(folder), opened(folder, new=False) as connection:
        return show(exported(connection, folder), as_json)


@bulk.command()
@folder_argument
@config_option
@json_option
def cancel(folder: str, config: str | None, as_json: bool) -> None:
    """Give up what the run in OUT has not asked; `airouter bulk retry --class cancelled` takes it up again.

    Batches are stopped at the vendor. What they have answered by then is paid for; `airouter bulk resume` fetches it.
    """
    _use(config)
    with held(folder), opened(folder, new=False) as connection:
        run_there = run_in(connection, folder)
        with transaction(connection):
            attempts.recover(connection, run_there.id, resend=False)
            attempts.cancel(connection, run_there.id)
            admission.mark(connection, run_there.id, "cancelled", None)
        if handed := batches.not_ended(connection, run_there.id):
            stop_batches(run_there.spec, handed)
        show(exported(connection, folder), as_json)


def _use(config: str | None) -> None:
    if config is not None:
        os.environ[VARIABLE] = config


def _bound(spec: Spec) -> str:
    return "without a budget" if spec.budget is None else f"for {spec.budget:f} USD at most"
