"""The specification of a run: what is asked of whom, and within which bounds."""

from __future__ import annotations

import datetime
import difflib
import hashlib
import math
import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from airouter_core.values.value import Value

from .errors import SpecError
from .templates import Template

ASKED = (
    *("target", "prompt", "system", "parameters", "provider_options", "schema", "dedupe"),
    *("images", "tools", "tool_choice"),
)
"""The fields that change what is asked; all others may change while a run is resumed."""
PASSED_ON = ("parameters", "provider_options", "schema", "tools", "tool_choice")
"""The fields whose values are sent as they are."""
COUNTS = {"in_flight": 1, "workers": 1, "retries": 0, "reasks": 0, "shard": 1, "batch_size": 1}
"""The fields that count something, and the least that each may be."""
MOST = 1_000_000_000
"""Of anything that is counted."""


class Spec(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to ask for each row.

    Attributes:
        target: an address, ``PROVIDER/MODEL`` or ``route:NAME``.
        prompt: a template; see :mod:`airouter_bulk.templates`. Without one, each row brings its own question: it is
            a line of an OpenAI batch file, or has ``messages``.
        system: a template too.
        images: templates of pictures that go before the prompt: addresses, or paths below ``images_folder``.
        tools: that the model may call, as chat completions have them; their calls stand in the answer.
        schema: a JSON Schema that the answer must fit; it is validated here whatever the provider promises.
        in_flight: calls at a time, at most.
        workers: processes that make the calls: none beside the program's own unless given. Each makes some hundred
            calls a second. On a cluster in all, one on each node unless given.
        requests_per_minute: of this run at its target; ``None`` for as fast as it goes.
        tokens_per_minute: input and output together.
        budget: US dollars that the run may cost, with everything that is under way.
        retries: how often a row is asked again after failures that may pass.
        reasks: how often it is asked again because its answer does not fit the schema.
        dedupe: whether rows that ask the same are asked once.
        answer, details: the fields of the output that hold the answer, and what is known about it.
        format: of the files that come out, ``"jsonl"`` or ``"parquet"``; the rows that failed are always JSON lines.
        lane: ``"batch"`` hands questions in as batches of the vendor, for half the price and within a day.
        rest: what becomes of questions that a batch has not answered: they are asked by calls, at the full price, or
            go into another batch, up to ``retries`` times, and then fail.
        batch_size: questions in one batch, at most.
        batch_price: what the vendor asks for an answer of a batch, as a part of its price; half of it at OpenAI and
            Anthropic, and mostly at OpenRouter (their pages on batches, 2026-11). An amount that the vendor itself
            reports counts before it.
        images_folder: where pictures lie; rows reach no file outside of it. Relative to the specification's file.
        shard: rows of input for each file of output.
        uncertain: what becomes of calls that were under way when a run was killed: they are sent again, or held.
    """

    target: str
    prompt: str | None = None
    system: str | None = None
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)
    provider_options: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    schema: dict[str, Any] | None = None
    in_flight: int = 16
    workers: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    budget: Decimal | None = None
    retries: int = 4
    reasks: int = 1
    dedupe: bool = True
    answer: str = "answer"
    details: str = "airouter"
    shard: int = 50_000
    uncertain: Literal["resend", "hold"] = "resend"
    images: list[str] = msgspec.field(default_factory=list)
    images_folder: str = "."
    tools: list[dict[str, Any]] = msgspec.field(default_factory=list)
    tool_choice: str | dict[str, Any] | None = None
    format: Literal["jsonl", "parquet"] = "jsonl"
    lane: Literal["calls", "batch"] = "calls"
    rest: Literal["calls", "batch"] = "calls"
    batch_size: int = 10_000
    batch_price: Decimal = Decimal("0.5")

    def __post_init__(self) -> None:
        self._check_bounds()
        if not self.target.strip():
            raise SpecError("target must be an address: PROVIDER/MODEL or route:NAME")
        if self.images and self.prompt is None:
            raise SpecError("images go with a prompt; messages of a row hold their own")
        if not self.answer or not self.details or self.answer == self.details:
            raise SpecError("answer and details name two fields of what comes out: they differ, and none is empty")
        for text in (self.prompt or "", self.system or "", *self.images):
            Template(text)

    def _check_bounds(self) -> None:
        for name, least in COUNTS.items():
            value = getattr(self, name)
            if value is not None and not least <= value <= MOST:
                hint = "; leave it out for the program alone" if name == "workers" else ""
                raise SpecError(f"{name} must be at least {least} and at most {MOST}, not {value}{hint}")
        if not self.batch_price.is_finite() or not 0 <= self.batch_price <= 1:
            raise SpecError(f"batch_price must be a part of the price, from 0 to 1, not {self.batch_price}")
        for name in ("requests_per_minute", "tokens_per_minute", "budget"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise SpecError(f"{name} must be more than 0, not {value}; leave it out for no limit")

    @classmethod
    def of(cls, given: Spec | Mapping[str, Any] | str | os.PathLike[str]) -> Spec:
        """A specification as a value, a mapping, or the path of a TOML file.

        Raises:
            SpecError: it is none; the message says why.
        """
        if isinstance(given, Spec):
            return given
        where = "the specification" if isinstance(given, Mapping) else os.fspath(given)
        table = dict(given) if isinstance(given, Mapping) else _read(where)
        for name in table.keys() - set(cls.__struct_fields__):
            near = difflib.get_close_matches(str(name), cls.__struct_fields__, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(cls.__struct_fields__)}"
            raise SpecError(f"{where}: {name!r} is not known; {hint}")
        for name in ("budget", "batch_price"):
            if isinstance(table.get(name), int | float) and not isinstance(table[name], bool):
                table[name] = str(table[name])
        if (odd := _unsaid([table.get(name) for name in PASSED_ON])) is not None:
            raise SpecError(f"{where}: JSON has no {odd!r}: write it as a text, in quotes, or leave it out")
        if table.get("images"):
            # Whoever goes on with the run may stand elsewhere.
            beside = "" if isinstance(given, Mapping) else os.path.dirname(where)
            table["images_folder"] = os.path.abspath(os.path.join(beside, str(table.get("images_folder", "."))))
        try:
            return msgspec.convert(table, cls)
        except SpecError as error:
            raise SpecError(f"{where}: {error}") from error
        except msgspec.ValidationError as error:
            raise SpecError(f"{where}: {error}") from error

    def to_json(self) -> bytes:
        """What :func:`msgspec.json.decode` reads back."""
        return msgspec.json.encode(self, order="deterministic")

    @property
    def asked(self) -> Mapping[str, Any]:
        """The part of it that changes what is asked."""
        return {name: getattr(self, name) for name in ASKED}

    @property
    def hash(self) -> str:
        """The same for all that ask the same of the same rows."""
        return hashlib.sha256(msgspec.json.encode(self.asked, order="deterministic")).hexdigest()

    def differences(self, other: Spec) -> list[str]:
        """The fields in which another one asks something else."""
        return [name for name in ASKED if getattr(self, name) != getattr(other, name)]


def _unsaid(value: Any) -> Any:
    """What TOML can say in it and JSON, in which it is kept and sent, cannot."""
    if isinstance(value, Mapping | list | tuple):
        items = value.values() if isinstance(value, Mapping) else value
        return next((odd for item in items if (odd := _unsaid(item)) is not None), None)
    if isinstance(value, float):
        return None if math.isfinite(value) else value
    return str(value) if isinstance(value, datetime.date | datetime.time) else None


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.loads(file.read().decode("utf-8-sig"))
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path} is no TOML: {error}") from error
