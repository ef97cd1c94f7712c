"""From the parameters of a call to those that are sent, with a receipt for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ..errors import ParameterError, PluginConflictError
from ..values.canonical import CANONICAL, ELSEWHERE, INSTEAD
from ..values.kinds import checked, within
from ..values.response import ParameterReceipt
from ..values.value import Value
from .declarations import Parameter, ParameterSupport

Policy = Literal["warn", "error"]


class ParameterTable:
    """Canonical parameters by every spelling.

    Raises:
        PluginConflictError: one spelling stands for two parameters.
    """

    def __init__(self, more: Iterable[Parameter] = ()) -> None:
        self._rows: dict[str, Parameter] = {}
        for row in (*CANONICAL, *more):
            meant = self._meant_by(row)
            for spelling in (row.name, *row.aliases):
                known = self._rows.setdefault(spelling, meant)
                if known != meant:
                    raise PluginConflictError(
                        f"parameter spelling {spelling!r} of {row.name!r} already belongs to {known.name!r}; "
                        "remove one of the two plugins, or ask its author to rename it"
                    )

    def _meant_by(self, row: Parameter) -> Parameter:
        # A plugin adds spellings to a known parameter with a row of its name and kind, and no limits of its own.
        known = self._rows.get(row.name)
        if known is not None and row == Parameter(known.name, known.kind, row.aliases, description=row.description):
            return known
        return row

    def find(self, spelling: str) -> Parameter:
        """The parameter that a spelling stands for.

        Raises:
            ParameterError: there is none; the message says what may have been meant.
        """
        row = self._rows.get(spelling)
        if row is not None:  # a row is a mapping too, and asking for its length takes longer
            return row
        if place := ELSEWHERE.get(spelling):
            raise ParameterError(f"{spelling!r} is no parameter; it belongs in {place}")
        import difflib

        near = difflib.get_close_matches(str(spelling), self._rows, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ParameterError(
            f"unknown parameter {spelling!r}{hint} (what only one provider understands goes in provider_options)"
        )

    def __iter__(self) -> Any:
        return iter({row.name: row for row in self._rows.values()}.values())


DEFAULT_TABLE = ParameterTable()


class Resolved(Value, frozen=True):
    """Parameters ready to be sent.

    Attributes:
        values: by canonical name, only those that are sent.
        receipts: one for each parameter given, in the order given.
        omitted: canonical name and reason of each that was left out although it has a value.
        rows: how those that are sent are taken.
    """

    values: Mapping[str, Any]
    receipts: tuple[ParameterReceipt, ...]
    omitted: Mapping[str, str]
    rows: tuple[ParameterSupport, ...] = ()


def resolve(
    given: Mapping[str, Any] | None,
    support: Iterable[ParameterSupport],
    *,
    provider: str,
    table: ParameterTable = DEFAULT_TABLE,
    unsupported: Policy = "warn",
) -> Resolved:
    """Check, name and sort the parameters of one call.

    Args:
        given: by any spelling. ``None`` as a value means "not given", and has a receipt all the same.
        support: what the provider takes, for the model of this call.
        unsupported: what to do with a known parameter that it does not take.

    Raises:
        ParameterError: unknown, contradictory, of the wrong type, out of range; or not taken, with ``"error"``.
    """
    rows = {row.name: row for row in support}
    values: dict[str, Any] = {}
    spellings: dict[str, str] = {}
    receipts: list[ParameterReceipt] = []
    omitted: dict[str, str] = {}
    for spelling, value in (given or {}).items():
        parameter = table.find(spelling)
        if value is None:
            receipts.append(ParameterReceipt(parameter.name, spelling, None, "omitted", reason="no value was given"))
            continue
        row = rows.get(parameter.name, ParameterSupport(parameter.name))
        checked_value = _checked(parameter, row, spelling, value)
        if parameter.name in spellings and checked_value != values[parameter.name]:
            first = spellings[parameter.name]
            raise ParameterError(
                f"{spelling!r} and {first!r} are the same parameter and have different values "
                f"({checked_value!r} and {values[parameter.name]!r}); give one of them"
            )
        spellings.setdefault(parameter.name, spelling)
        values[parameter.name] = checked_value
        receipt = _receipt(parameter.name, spelling, checked_value, row, provider)
        receipts.append(receipt)
        if receipt.outcome == "omitted":
            omitted[parameter.name] = receipt.reason or ""
    if omitted and unsupported == "error":
        raise ParameterError("; ".join(f"parameter {name!r}: {reason}" for name, reason in omitted.items()))
    sent = {name: value for name, value in values.items() if name not in omitted}
    return Resolved(sent, tuple(receipts), omitted, tuple(rows[name] for name in sent))


def known_values(
    given: Mapping[str, Any] | None, table: ParameterTable, declared: Iterable[ParameterSupport] = ()
) -> dict[str, Any]:
    """The values given, by canonical name, checked against what any provider could take.

    Args:
        declared: rows whose words are taken too.

    Raises:
        ParameterError: one is unknown, of the wrong type, or out of range.
    """
    words = {row.name: row.words for row in declared}
    parameters = ((table.find(spelling), spelling, value) for spelling, value in (given or {}).items())
    return {
        parameter.name: _checked(
            parameter, ParameterSupport(parameter.name, words=words.get(parameter.name, {})), spelling, value
        )
        for parameter, spelling, value in parameters
        if value is not None
    }


def wire_value(row: ParameterSupport, value: Any) -> Any:
    """What is sent for a value, which may be another word for it."""
    if isinstance(value, str | bool) and value in row.said_as:
        return row.said_as[value]
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def place(body: dict[str, Any], parameters: Mapping[str, Any], rows: Iterable[ParameterSupport]) -> None:
    """Write parameters into a request body, each at the path its row names."""
    for row in rows:
        if row.field is None or row.name not in parameters:
            continue
        *path, last = row.field.split(".")
        target = body
        for step in path:
            target = target.setdefault(step, {})
        target[last] = wire_value(row, parameters[row.name])


def overlaid(body: Mapping[str, Any], options: Mapping[str, Any], *, joined: tuple[str, ...] = ()) -> dict[str, Any]:
    """A body with ``provider_options`` laid over it: objects merged, so that parameters stay; all else replaced.

    Args:
        joined: names of lists to which the options add.
    """
    merged = dict(body)
    for name, value in options.items():
        known = merged.get(name)
        if name in joined and isinstance(known, list) and isinstance(value, list | tuple):
            merged[name] = [*known, *(item for item in value if item not in known)]
        elif isinstance(known, Mapping) and isinstance(value, Mapping):
            merged[name] = overlaid(known, value)
        else:
            merged[name] = value
    return merged


def _checked(parameter: Parameter, row: ParameterSupport, spelling: str, value: Any) -> Any:
    if isinstance(value, str) and value in row.words:
        return value
    try:
        value = checked(value, parameter.kind)
        for limits in (parameter, row) if row.field else (parameter,):
            within(value, minimum=limits.minimum, maximum=limits.maximum, above=limits.above, choices=limits.choices)
    except ValueError as error:
        named = spelling if spelling == parameter.name else f"{spelling} ({parameter.name})"
        raise ParameterError(f"parameter {named} {error}{_instead(parameter.name, value)}") from error
    return value


def _instead(name: str, value: Any) -> str:
    word = INSTEAD.get(name, {}).get(value) if isinstance(value, int) else None
    return f"; {word}" if word else ""


def _receipt(name: str, spelling: str, value: Any, row: ParameterSupport, provider: str) -> ParameterReceipt:
    if row.field is None:
        return ParameterReceipt(name, spelling, value, "omitted", reason=row.reason or f"{provider} does not take it")
    if isinstance(value, str) and value in row.words:
        return ParameterReceipt(name, spelling, value, "emulated", row.field, reason=row.words[value])
    sent = wire_value(row, value)
    said_otherwise = isinstance(value, str | bool) and sent != value
    return ParameterReceipt(
        name,
        spelling,
        value,
        "translated" if said_otherwise else "sent",
        row.field,
        sent,
        f"{provider} says {sent!r} for {value!r}" if said_otherwise else None,
    )
