"""What the admin API takes and gives. The document of the API is made of these."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from airouter_core.values.value import Value

from ..access.views import ShownKey
from ..bounds import Amount, Bounds, Count

Item = TypeVar("Item")
Limit = Annotated[int, msgspec.Meta(ge=1, le=500, description="items at most")]
After = Annotated[str, msgspec.Meta(description="goes on after the item that `next` named")]
LAST_MOMENT = 253_402_300_799
"""The end of the year 9999: dates go no further."""
Moment = Annotated[float, msgspec.Meta(ge=0, le=LAST_MOMENT, description="seconds since 1970")]


class Page(Value, Generic[Item], frozen=True):
    """Some of a list.

    Attributes:
        next: what to give as ``after`` for more; ``null`` at the end.
    """

    data: tuple[Item, ...]
    next: str | None = None


class Paging(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which part of a list is meant."""

    limit: Limit = 100
    after: After | None = None


class Nothing(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """There is nothing to say."""


class NewKey(Bounds, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to make."""

    name: str
    team: str | None = None
    expires: Moment | None = None
    disabled: bool = False


class NewTeam(Bounds, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A team to make."""

    name: str
    disabled: bool = False


class TeamChanges(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed of a team; ``null`` takes a bound away, what is left out stays."""

    models: tuple[str, ...] | UnsetType = UNSET
    rpm: Count | UnsetType | None = UNSET
    tpm: Count | UnsetType | None = UNSET
    in_flight: Count | UnsetType | None = UNSET
    budget: Amount | UnsetType | None = UNSET
    period: str | UnsetType = UNSET
    unpriced: Literal["refuse", "allow"] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class KeyChanges(TeamChanges, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be changed of a key; ``null`` takes a bound away, what is left out stays."""

    team: str | UnsetType | None = UNSET
    expires: Moment | UnsetType | None = UNSET


class MadeKey(ShownKey, frozen=True, kw_only=True):
    """A key that was just made: this once with the key itself."""

    key: str


class ServedModel(Value, frozen=True, kw_only=True):
    """A model that is served, under the name that clients call it by."""

    id: str
    provider: str
    context_length: int | None = None
    max_output_tokens: int | None = None
    input_price: Annotated[float | None, msgspec.Meta(description="US dollars per million tokens")] = None
    output_price: Annotated[float | None, msgspec.Meta(description="US dollars per million tokens")] = None
    problem: str | None = None


class Health(Value, frozen=True, kw_only=True):
    """How a provider is doing."""

    name: str
    kind: str
    status: str
    models: int
    problem: str | None = None
    details: dict[str, Any] = msgspec.field(default_factory=dict)


class Question(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question to be explained, and not asked."""

    address: str
    prompt: str = "Hello!"


class Explained(Value, frozen=True, kw_only=True):
    """Who would be asked.

    Attributes:
        text: in words.
        plan: of a route: its candidates, in the order in which they would be asked.
    """

    address: str
    provider: str
    model: str
    text: str
    plan: dict[str, Any] | None = None


class LiveCall(Value, frozen=True, kw_only=True):
    """A request that this server is answering."""

    id: str
    path: str
    seconds: float
    key: str | None = None
    target: str | None = None


class CallFilter(Paging, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which calls are meant. All conditions that are given must hold."""

    model: Annotated[str, msgspec.Meta(description="as asked or served; * stands for any letters")] | None = None
    provider: str | None = None
    key: str | None = None
    team: str | None = None
    session: str | None = None
    error: Annotated[str, msgspec.Meta(description="its class, or any")] | None = None
    text: Annotated[str, msgspec.Meta(description="words of prompt and answer, where content is kept")] | None = None
    since: Moment | None = None
    until: Moment | None = None


class Call(Value, frozen=True, kw_only=True):
    """A call, as the ledger remembers it."""

    id: str
    at: float
    kind: str
    provider: str
    model: str | None = None
    served: str | None = None
    key: str | None = None
    team: str | None = None
    session: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Decimal | None = None
    cost_source: str | None = None
    seconds: float | None = None
    first_event: float | None = None
    finish: str | None = None
    error: str | None = None
    stream: bool = False
    route: Annotated[bool, msgspec.Meta(description="of a route: those whom it asked have calls of their own")] = False


class WholeCall(Call, frozen=True, kw_only=True):
    """A call with what was said in it, as far as that was kept."""

    prompt: str | None = None
    answer: str | None = None


class CostsOf(Value, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which sums are meant."""

    by: Annotated[str, msgspec.Meta(description="day, model, provider, user, session or tag:NAME")] = "day"
    since: Moment | None = None
    until: Moment | None = None


class Costs(Value, frozen=True, kw_only=True):
    """What some calls cost together."""

    name: str
    calls: int
    amount: Decimal
    unknown: int
    input_tokens: int
    output_tokens: int


class Problem(Value, frozen=True, kw_only=True):
    """What went wrong."""

    type: str
    message: str


class Failure(Value, frozen=True, kw_only=True):
    """An answer that is none."""

    error: Problem
