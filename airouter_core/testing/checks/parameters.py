"""Parameters: each that is declared has its effect, each spelling the same one, and each has a receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ...errors import ParameterError
from ...profile.declarations import Parameter, ParameterSupport
from ...values.response import ParameterReceipt, Response
from ..halves import in_each_half
from ..server import LoopbackServer
from ..subject import Subject, none_of, quietly

VALUES: Mapping[str, Any] = {
    "logit_bias": {"1234": -1.0},
    "grammar": 'root ::= "yes" | "no"',
    "keep_alive": "7m",
    "stop": ("KIT-STOP",),
    "special_flags": ("--no-warmup",),
    "service_tier": "auto",
    "max_tokens": 1777,
    "context": 4096,
    "n": 2,
    "top_logprobs": 3,
    "seed": 4711,
}
"""Values to try, where the range of a parameter does not suggest one."""


class ParameterChecks(Subject):
    """Parameters."""

    @in_each_half
    def test_a_declared_parameter_changes_the_request(self) -> None:
        """Every parameter that the provider takes makes a difference to what is sent."""
        none_of(self._without_effect())

    def _without_effect(self) -> Iterator[str]:
        with self.serving() as server, self.provider(server) as provider, quietly():
            for parameter, row in self._taken(provider):
                value = self.value_for(parameter, row)
                company = self.parameter_company.get(parameter.name, {})
                bare = self._body(server, provider, company)
                if self._body(server, provider, {**company, parameter.name: value}) == bare:
                    yield f"{parameter.name}={value!r} changes nothing in the request"

    @in_each_half
    def test_a_value_that_is_nothing_is_sent(self) -> None:
        """0 and False are values: they are sent, or the receipt says why not."""
        none_of(self._taken_for_nothing())

    def _taken_for_nothing(self) -> Iterator[str]:
        with self.serving() as server, self.provider(server) as provider, quietly():
            for parameter, row in self._taken(provider):
                value = _falsy(parameter, row)
                if value is None or parameter.name in self.parameter_values:
                    continue
                company = self.parameter_company.get(parameter.name, {})
                bare = self._body(server, provider, company)
                response = self.ask(provider, parameters={**company, parameter.name: value})
                (receipt,) = (item for item in response.parameters if item.name == parameter.name)
                told = receipt.outcome != "sent" and receipt.reason
                if server.requests[-1].body == bare and not told:
                    yield f"{parameter.name}={value!r} changes nothing in the request, and its receipt does not say why"

    @in_each_half
    def test_an_alias_is_its_canonical_name(self) -> None:
        """Each other spelling of a parameter sends exactly what the canonical name sends."""
        none_of(self._differing_aliases())

    def _differing_aliases(self) -> Iterator[str]:
        with self.serving() as server, self.provider(server) as provider, quietly():
            for parameter, row in self._taken(provider):
                value = self.value_for(parameter, row)
                company = self.parameter_company.get(parameter.name, {})
                canonical = self._body(server, provider, {**company, parameter.name: value})
                for alias in parameter.aliases:
                    if self._body(server, provider, {**company, alias: value}) != canonical:
                        yield f"{alias}={value!r} sends something else than {parameter.name}={value!r}"

    @in_each_half
    def test_every_parameter_has_a_receipt(self) -> None:
        """The receipt says of each parameter given what became of it, and what it says was sent, was."""
        none_of(self._untrue_receipts())

    def _untrue_receipts(self) -> Iterator[str]:
        with self._target() as (server, provider), quietly():
            for parameter in self.table():
                row = self._row(provider, parameter)
                value = self.value_for(parameter, row)
                company = self.parameter_company.get(parameter.name, {})
                response = self.ask(provider, parameters={**company, parameter.name: value})
                receipts = [item for item in response.parameters if item.name == parameter.name]
                if len(receipts) != 1 or len(response.parameters) != len(company) + 1:
                    yield f"{parameter.name}: {len(receipts)} receipts"
                    continue
                body = server.requests[-1].json if server else None
                yield from _untrue(receipts[0], row, body, response)

    @in_each_half
    def test_a_parameter_it_does_not_take_is_reported(self) -> None:
        """A known parameter that is not taken is left out with a warning, or is an error where that was asked for."""
        none_of(self._silently_dropped())

    def _silently_dropped(self) -> Iterator[str]:
        with self._target() as (server, provider), self.provider(server, unsupported_parameters="error") as strict:
            for parameter in self.table():
                row = self._row(provider, parameter)
                if row.field is not None:
                    continue
                given = {parameter.name: self.value_for(parameter, row)}
                with quietly() as warned:
                    response = self.ask(provider, parameters=given)
                if not any(parameter.name in text for text in warned):
                    yield f"{parameter.name} is left out without an UnsupportedParameterWarning"
                if not any(parameter.name in text for text in response.warnings):
                    yield f"{parameter.name} is left out, and response.warnings does not say so"
                yield from self._sent_nothing(server, strict, given)

    @in_each_half
    def test_a_wrong_parameter_is_an_error(self) -> None:
        """A misspelt parameter, a wrong type, a value out of range or a contradiction is an error; nothing is sent."""
        none_of(self._accepted_wrongly())

    def _accepted_wrongly(self) -> Iterator[str]:
        wrong: list[dict[str, Any]] = [
            {"temprature": 0.5},
            {"temperature": "warm"},
            {"max_tokens": 1.5},
            {"top_p": 7},
            {"temperature": 0.1, "temp": 0.2},
            {"stop": 5},
        ]
        with self._target() as (server, provider):
            for parameter, row in self._taken(provider):
                for limits in (row, parameter):
                    if limits.maximum is not None:
                        wrong.append({parameter.name: limits.maximum + 1})
                    if limits.minimum is not None:
                        wrong.append({parameter.name: limits.minimum - 1})
            for given in wrong:
                yield from self._sent_nothing(server, provider, given)

    # How the checks go about it.

    def value_for(self, parameter: Parameter, row: ParameterSupport) -> Any:
        """A value that the parameter and the provider take."""
        if parameter.name in self.parameter_values:
            return self.parameter_values[parameter.name]
        if choices := row.choices or parameter.choices:
            words = [choice for choice in choices if not parameter.choices or choice in parameter.choices]
            return next((word for word in words if word in ("high", "low", "medium")), words[0])
        if parameter.name in VALUES and parameter.kind not in ("number", "integer"):
            return VALUES[parameter.name]
        if parameter.kind in ("number", "integer"):
            return _number(parameter, row)
        return {"boolean": True, "string": "kit-value", "strings": ("kit-value",), "mapping": {"kit": 1}}.get(
            parameter.kind, "kit-value"
        )

    def _target(self) -> Any:
        return _Target(self)

    def _row(self, provider: Any, parameter: Parameter) -> ParameterSupport:
        given = dict(self.parameter_company.get(parameter.name, {}))
        rows = {row.name: row for row in self.info.parameters}
        given[parameter.name] = self.value_for(parameter, rows.get(parameter.name, ParameterSupport(parameter.name)))
        request = msgspec.structs.replace(self.request(), parameters=given)
        taken: dict[str, ParameterSupport] = {row.name: row for row in provider.support(request)}
        return taken.get(parameter.name, ParameterSupport(parameter.name))

    def _taken(self, provider: Any) -> Iterator[tuple[Parameter, ParameterSupport]]:
        for parameter in self.table():
            row = self._row(provider, parameter)
            if row.field is not None:
                yield parameter, row

    def _body(self, server: LoopbackServer, provider: Any, parameters: Mapping[str, Any]) -> bytes:
        self.ask(provider, parameters=parameters)
        return server.requests[-1].body

    def _sent_nothing(self, server: LoopbackServer | None, provider: Any, given: Mapping[str, Any]) -> Iterator[str]:
        before = len(server.requests) if server else 0
        try:
            self.ask(provider, parameters=given)
        except ParameterError:
            if server and len(server.requests) > before:
                yield f"parameters={dict(given)!r} was sent before it was refused"
        else:
            yield f"parameters={dict(given)!r} is accepted"


class _Target:
    """A provider and, if it has a wire, the server that it asks."""

    def __init__(self, subject: ParameterChecks) -> None:
        self._server = subject.serving() if subject.has_wire else None
        self._subject = subject

    def __enter__(self) -> tuple[LoopbackServer | None, Any]:
        if self._server is not None:
            self._server.__enter__()
        self._provider = self._subject.provider(self._server)
        return self._server, self._provider

    def __exit__(self, *_: object) -> None:
        self._provider.close()
        if self._server is not None:
            self._server.close()


def _falsy(parameter: Parameter, row: ParameterSupport) -> Any:
    """0 or False, where the parameter takes it."""
    if parameter.kind == "boolean":
        return False
    if parameter.kind not in ("number", "integer") or parameter.choices or row.choices:
        return None
    lows = [limit for limit in (parameter.minimum, row.minimum) if limit is not None]
    above = [limit for limit in (parameter.above, row.above) if limit is not None]
    return 0 if max(lows, default=0) <= 0 and max(above, default=-1) < 0 else None


def _number(parameter: Parameter, row: ParameterSupport) -> float | int:
    lows = [limit for limit in (parameter.minimum, row.minimum) if limit is not None]
    lows += [limit + 1e-6 for limit in (parameter.above, row.above) if limit is not None]
    highs = [limit for limit in (parameter.maximum, row.maximum) if limit is not None]
    low, high = max(lows, default=0), min(highs, default=float("inf"))
    wanted = VALUES.get(parameter.name)
    if not isinstance(wanted, int | float) or not low <= wanted <= high:
        wanted = low + (high - low) * 0.3 if high != float("inf") else low + 1.25
    if parameter.kind == "number":
        return round(wanted, 3)
    whole = int(wanted)
    return whole if low <= whole <= high else int(high)


def _untrue(receipt: ParameterReceipt, row: ParameterSupport, body: Any, response: Response) -> Iterator[str]:
    name = receipt.name
    if receipt.outcome == "omitted":
        if not receipt.reason:
            yield f"{name} was left out without a reason"
        if row.field is not None and row.reason is None:
            yield f"{name} is declared as {row.field!r} and was left out"
        return
    if row.field is None:
        yield f"{name} is not taken, and its receipt says {receipt.outcome!r}"
    if receipt.outcome == "sent" and receipt.sent_value not in (receipt.value, _listed(receipt.value)):
        yield f"{name}={receipt.value!r} was sent as {receipt.sent_value!r}, and its receipt does not say why"
    if receipt.outcome in ("translated", "emulated") and not receipt.reason:
        yield f"{name} was {receipt.outcome} without a reason"
    if body is not None and receipt.sent_as is not None and receipt.outcome != "emulated":
        found = _at(body, receipt.sent_as)
        if found != receipt.sent_value:
            yield f"{name}: the receipt says {receipt.sent_as}={receipt.sent_value!r}, sent was {found!r}"


def _at(body: Any, path: str) -> Any:
    for step in path.split("."):
        if not isinstance(body, Mapping) or step not in body:
            return None
        body = body[step]
    return body


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
