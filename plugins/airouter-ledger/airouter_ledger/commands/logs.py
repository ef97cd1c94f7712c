"""``airouter logs``: the calls that are remembered."""

from __future__ import annotations

import datetime
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from airouter_core.cli.output import note, write, write_json
from airouter_core.cli.paging import write_pages
from airouter_core.cli.streams import harmless
from airouter_core.cli.tables import in_units, write_table
from airouter_core.errors import ConfigurationError
from airouter_core.values.record import plain

from ..ledger import LEFT_OUT, Ledger, seconds_of
from ..records import CallRecord
from ..settings import size_of
from ..switch import CONTENTS, Content, switch, switch_off, switch_on
from .opening import settings_of_user, the_ledger

NOTHING = "-"
SHOWN = 20
"""Calls that are listed unless more are asked for."""
PAUSE = 0.5
"""Seconds between two looks of ``--follow``."""
INTERRUPTED = 130

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


BEGINNINGS: dict[str, Callable[[datetime.datetime], datetime.datetime]] = {
    "today": lambda midnight: midnight,
    "yesterday": lambda midnight: midnight - datetime.timedelta(days=1),
    "this week": lambda midnight: midnight - datetime.timedelta(days=midnight.weekday()),
    "this month": lambda midnight: midnight.replace(day=1),
    "this year": lambda midnight: midnight.replace(month=1, day=1),
}
"""Words for moments, made of the last midnight; a week begins on Monday."""


def beginning(word: str, now: datetime.datetime) -> datetime.datetime | None:
    """The moment that a word means, in the zone of this machine; ``None`` for another word."""
    made = BEGINNINGS.get(word.strip().lower())
    if made is None:
        return None
    # Without a zone, since another day may have another distance to UTC.
    return made(now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)).astimezone()


class Moment(click.ParamType[datetime.datetime]):
    """A date, an age such as ``2 days``, or a word such as ``today``."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> datetime.datetime:
        if (found := beginning(value, datetime.datetime.now().astimezone())) is not None:
            return found
        try:
            found = datetime.datetime.fromisoformat(value)
            return found if found.tzinfo else found.astimezone()
        except ValueError:
            pass
        try:
            return datetime.datetime.now().astimezone() - datetime.timedelta(seconds=seconds_of(value))
        except ConfigurationError:
            words = ", ".join(BEGINNINGS)
            self.fail(
                f"{value!r} is no date such as 2026-11-30, no age such as '2 days', none of {words}", param, context
            )


def filters(function: Any) -> Any:
    """The options that say which calls are meant."""
    for option in reversed(
        (
            click.option("-m", "--model", help="Asked or served; * stands for any letters."),
            click.option("-p", "--provider", help="The provider."),
            click.option("--kind", help="chat, embedding, image, …"),
            click.option("--errors", "error", flag_value="any", help="Only calls that failed."),
            click.option("--error", metavar="CLASS", help="Only calls that failed so, such as RateLimitedError."),
            click.option("--conversation", "session", metavar="ID", help="Only calls of one conversation."),
            click.option("--user", help="On whose behalf."),
            click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="What the program says of it."),
            click.option("--since", type=Moment(), help="A date, an age such as '2 days', today, 'this month'."),
            click.option("--until", type=Moment(), help="As --since."),
            click.option("--cost-over", metavar="DOLLARS", help="Only calls that cost more."),
        )
    ):
        function = option(function)
    return function


def conditions(given: dict[str, Any]) -> dict[str, Any]:
    """The options of :func:`filters`, as conditions.

    Raises:
        ConfigurationError: one is no condition.
    """
    found = {name: value for name, value in given.items() if value not in (None, ())}
    tags = dict(tag.partition("=")[::2] for tag in found.pop("tags", ()))
    if tags:
        found["tags"] = tags
    if "cost_over" in found:
        try:
            found["cost_over"] = Decimal(found["cost_over"])
        except InvalidOperation:
            raise ConfigurationError(f"--cost-over takes a number of dollars, not {found['cost_over']!r}") from None
    return found


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@filters
@click.option("-n", "--limit", type=click.IntRange(min=0), default=SHOWN, show_default=True, help="0 for all.")
@click.option("-q", "--query", "text", metavar="WORDS", help="Only calls whose prompt and answer hold all of these.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new calls as they are made, until Ctrl-C.")
@AS_JSON
@click.pass_context
def logs(context: click.Context, /, limit: int, follow: bool, as_json: bool, **given: Any) -> None:
    """List the calls that are remembered, the newest first."""
    if context.invoked_subcommand is not None:
        return
    with the_ledger() as ledger:
        wanted = conditions(given)
        records = list(ledger.calls(limit or None, **wanted))
        if follow:
            _follow(ledger, records, wanted)
        elif as_json:
            write_json(records)
        elif records:
            brief = sys.stdout.isatty()
            write_table(BRIEF_COLUMNS if brief else COLUMNS, rows_of(records, brief=brief))
        else:
            note("no call is remembered that fits" if wanted else "no call is remembered yet")


@logs.command()
@click.argument("call")
@AS_JSON
def show(call: str, as_json: bool) -> None:
    """Show one call, with what was said where that is kept; CALL is its ID or the beginning of it, or as listed."""
    with the_ledger() as ledger:
        record = ledger.call(call)
        if record is None:
            raise ConfigurationError(f"no call begins with {call!r}; `airouter logs` lists them")
        asked, answered = ledger.content(record.id)
    if as_json:
        write_json({**plain(record), "ask": asked, "response": answered})
        return
    lines = [
        f"{name + ':':<14}{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in plain(record).items()
        if value not in (None, {}, [], (), "")
    ]
    lines += [f"\n{message.role}: {message.text}" for message in (() if asked is None else asked.messages)]
    lines += [f"\nassistant: {answered.text}"] if answered is not None else []
    write_pages(harmless("\n".join(lines), sys.stdout))
    if answered is None and asked is None:
        note("what was said is not kept: `airouter logs on --content text` keeps it from now on")


@logs.command()
@filters
@click.option("-q", "--query", "text", metavar="WORDS", help="Only calls whose prompt and answer hold all of these.")
@click.option("-o", "--output", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="A file.")
def export(output: Any, **given: Any) -> None:
    """Write calls with what was said, one JSON object a line, the oldest first."""
    with the_ledger() as ledger:
        for record in ledger.calls(newest_first=False, **conditions(given)):
            asked, answered = ledger.content(record.id)
            line = {**plain(record), "ask": plain(asked), "response": plain(answered)}
            output.write(json.dumps(line, ensure_ascii=False) + "\n")


@logs.command()
@click.option("--content", type=click.Choice(CONTENTS), default="none", show_default=True, help="What to keep of it.")
def on(content: Content) -> None:
    """Remember the calls of this user from now on.

    Without --content only what they are about is kept (models, tokens, costs, times), and not what was said; a
    conversation goes on later only when its text is kept.
    """
    switch_on(content)
    note(f"calls are remembered in {settings_of_user().address}; of what is said, {content}")


@logs.command()
def off() -> None:
    """Remember no calls any more; what is remembered stays."""
    note("calls are not remembered any more" if switch_off() else "it was not on")


@logs.command()
def path() -> None:
    """Print where the ledger is."""
    address = settings_of_user().address
    if "://" not in address:
        write(address)
        return
    with Ledger.open(address) as ledger:  # it knows its address without the password
        write(ledger.where)


@logs.command()
@AS_JSON
def status(as_json: bool) -> None:
    """Say whether calls are remembered, where, and how many are."""
    settings = settings_of_user()
    with the_ledger(must_exist=False) as ledger:
        answers, answer_bytes = ledger.answers.totals()
        size, budgets = ledger.size(), [_budget(ledger, budget) for budget in settings.rules.budgets]
        found = {
            "on": settings.on, "path": ledger.where, "content": settings.rules.content,
            "switched": switch() is not None, "calls": ledger.count(), "bytes": size,
            "kept_answers": answers, "kept_bytes": answer_bytes, "budgets": budgets,
        }  # fmt: skip
    if as_json:
        write_json(found)
        return
    write(f"{'on' if settings.on else 'off'}: {found['calls']} calls in {found['path']}")
    write(f"content {found['content']}, {in_units(size)}")
    for budget in budgets:
        write(f"budget {budget['name']}: {budget['used']} of {budget['amount']} {budget['currency']}")


@logs.command()
@click.option("--keep", metavar="AGE", help="Forget what is older, such as '30 days'.")
@click.option("--size", metavar="SIZE", help="Forget the oldest until no more than so much is kept, such as '500 MB'.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def prune(keep: str | None, size: str | None, yes: bool) -> None:
    """Forget old calls. Without options, by what [ledger] keep and size say."""
    settings = settings_of_user()
    older = seconds_of(keep) if keep else settings.keep
    larger = size_of(size) if size else settings.size
    if older is None and larger is None:
        raise ConfigurationError("say what to forget: --keep '30 days', --size '500 MB', or the same under [ledger]")
    with the_ledger() as ledger:
        if not yes:
            click.confirm(f"Forget calls in {ledger.where}?", abort=True)
        note(f"forgot {ledger.prune(older_than=older, larger_than=larger)} calls")


COLUMNS = ("id", "at", "model", "tokens", "cost", "seconds", "end")
BRIEF_COLUMNS = ("id", "at", "model", "tokens", "cost", "s", "end")
ENDS = 4
"""Characters of both ends of an id that a terminal is shown: calls of one process differ in the last ones alone."""


def rows_of(records: Sequence[CallRecord], *, brief: bool) -> list[tuple[str, ...]]:
    """Calls as rows of a table.

    Args:
        brief: for eighty columns: the ends of ids, as far as they tell these calls apart, and no seconds of times.
    """
    if not brief:
        return [_row(record) for record in records]
    short = {record.id: f"{record.id[:ENDS]}{LEFT_OUT}{record.id[-ENDS:]}" for record in records}
    names = short if len(set(short.values())) == len(short) else {id_: id_ for id_ in short}
    year = datetime.datetime.now().astimezone().year
    return [
        (names[record.id], at.removeprefix(f"{year}-")[:-3], address, tokens, _without_zeros(cost), *others)
        for record, (_, at, address, tokens, cost, *others) in zip(records, map(_row, records), strict=True)
    ]


def _row(record: CallRecord) -> tuple[str, ...]:
    at = datetime.datetime.fromtimestamp(record.at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    address = f"{record.provider}/{record.model}" if record.model else record.provider
    tokens = f"{_number(record.usage.input_tokens)}+{_number(record.usage.output_tokens)}"
    cost = NOTHING if record.cost is None else f"{'≥' if record.at_least else ''}{record.cost.amount:.6f}"
    seconds = NOTHING if record.seconds is None else f"{record.seconds:.2f}"
    end = record.error or record.finish or NOTHING
    return record.id, at, address, tokens, cost, seconds, end


def _without_zeros(amount: str) -> str:
    return amount.rstrip("0").rstrip(".") if "." in amount else amount


def _number(value: int | None) -> str:
    return NOTHING if value is None else str(value)


def _follow(ledger: Ledger, shown: Iterable[CallRecord], wanted: dict[str, Any]) -> None:
    seen = set()
    for record in reversed(list(shown)):
        seen.add(record.id)
        write("  ".join(_row(record)))
    try:
        while True:
            time.sleep(PAUSE)
            for record in reversed(list(ledger.calls(SHOWN * 5, **wanted))):
                if record.id not in seen:
                    seen.add(record.id)
                    write("  ".join(_row(record)))
                    sys.stdout.flush()
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None


def _budget(ledger: Ledger, budget: Any) -> dict[str, Any]:
    state = ledger.purse.state(budget, time.time())
    return {
        "name": budget.name, "amount": str(budget.amount), "currency": budget.currency, "used": str(state.used),
        "ends": state.ends,
    }  # fmt: skip
