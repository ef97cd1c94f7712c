"""What can be administered: keys and teams, models and their health, calls and their costs.

Whatever asks the database is done in a thread, so that no stream waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from airouter_core.errors import UnsupportedFeatureError
from airouter_core.values.record import plain
from airouter_ledger.ledger import Ledger

from ..access.account_rows import Change
from ..access.accounts import Accounts
from ..access.views import ShownKey, ShownTeam, shown_key, shown_team
from ..dialects.refusals import without_keys
from ..keys import ClientKey
from . import shapes
from .call_views import between, conditions_of, per_million, shown_call
from .served import Served, UnderWay

Result = TypeVar("Result")
Item = TypeVar("Item")


class Administration:
    """What an administrator sees and does.

    Args:
        by: which way, for the list of changes.
    """

    def __init__(self, gateway: Served, by: str) -> None:
        self.gateway = gateway
        self.by = by

    async def keys(self) -> list[ShownKey]:
        """All keys, those of the file too."""

        def read() -> list[ShownKey]:
            accounts, ledger = self._accounts(), self.ledger()
            in_file = [shown_key(key, None) for key in self.gateway.access.file.all_keys()]
            return [shown_key(key, ledger) for key in ([] if accounts is None else accounts.all_keys())] + in_file

        return await asyncio.to_thread(read)

    async def key(self, name: str) -> ShownKey:
        """One key.

        Raises:
            UnknownNameError: there is none.
        """
        return await self._with_accounts(lambda accounts: shown_key(accounts.key(name), self.ledger()))

    async def create_key(self, name: str, **given: Any) -> tuple[str, ShownKey]:
        """Make a key: the key itself, and what may be shown of it. Raises as the accounts do."""
        return await self._with_accounts(lambda accounts: self._once(*accounts.create(name, by=self.by, **given)))

    async def edit_key(self, name: str, **changes: Any) -> ShownKey:
        """Change a key. Raises as the accounts do."""
        return await self._with_accounts(
            lambda accounts: shown_key(accounts.edit(name, by=self.by, **changes), self.ledger())
        )

    async def rotate_key(self, name: str) -> tuple[str, ShownKey]:
        """Make another key in place of one. Raises as the accounts do."""
        return await self._with_accounts(lambda accounts: self._once(*accounts.rotate(name, by=self.by)))

    async def revoke_key(self, name: str) -> None:
        """Make a key useless. Raises as the accounts do."""
        await self._with_accounts(lambda accounts: accounts.revoke(name, by=self.by))

    async def teams(self) -> list[ShownTeam]:
        """All teams."""

        def read() -> list[ShownTeam]:
            accounts, ledger = self._accounts(), self.ledger()
            if accounts is None:
                return []
            keys = accounts.all_keys()
            return [shown_team(team, keys, ledger) for team in accounts.all_teams()]

        return await asyncio.to_thread(read)

    async def team(self, name: str) -> ShownTeam:
        """One team.

        Raises:
            UnknownNameError: there is none.
        """
        return await self._with_accounts(
            lambda accounts: shown_team(accounts.team(name), accounts.all_keys(), self.ledger())
        )

    async def create_team(self, name: str, **given: Any) -> ShownTeam:
        """Make a team. Raises as the accounts do."""
        await self._with_accounts(lambda accounts: accounts.create_team(name, by=self.by, **given))
        return await self.team(name)

    async def edit_team(self, name: str, **changes: Any) -> ShownTeam:
        """Change a team. Raises as the accounts do."""
        await self._with_accounts(lambda accounts: accounts.edit_team(name, by=self.by, **changes))
        return await self.team(name)

    async def remove_team(self, name: str) -> None:
        """Forget a team. Raises as the accounts do."""
        await self._with_accounts(lambda accounts: accounts.remove_team(name, by=self.by))

    async def changes(self, limit: int, before: int | None) -> list[Change]:
        """What was done, the newest first."""
        accounts = await asyncio.to_thread(self._accounts)
        return [] if accounts is None else await asyncio.to_thread(accounts.changes, limit, before)

    async def models(self) -> list[shapes.ServedModel]:
        """All models that are served."""
        return [
            shapes.ServedModel(
                id=model.id,
                provider=model.provider,
                context_length=model.context_length,
                max_output_tokens=model.max_output_tokens,
                input_price=per_million(model.pricing, "prompt"),
                output_price=per_million(model.pricing, "completion"),
                problem=model.problem,
            )
            for model in await self.gateway.serving.models()
        ]

    async def health(self) -> list[shapes.Health]:
        """How the providers are doing; each is asked."""
        found = await self.gateway.serving.manager.aget_all_info()
        return [
            shapes.Health(
                name=name,
                kind=status.kind,
                status=status.status,
                models=len(status.available_models),
                problem=None if status.problem is None else without_keys(status.problem),
                details=plain(status.details),
            )
            for name, status in found.items()
        ]

    async def explain(self, address: str, prompt: str) -> shapes.Explained:
        """Who would be asked, without asking.

        Raises:
            ConfigurationError: nobody.
        """
        serving = self.gateway.serving
        target = await serving.resolve(address)
        messages = [{"role": "user", "content": prompt}]
        try:
            plan = await asyncio.to_thread(serving.manager.plan, target.address, messages)
        except UnsupportedFeatureError:
            text, said = f"{target.address}, and nobody else", None
        else:
            text, said = plan.explain(), plain(plan)
        return shapes.Explained(
            address=address, provider=target.name, model=target.model, text=text,
            plan=said if isinstance(said, dict) else None,
        )  # fmt: skip

    def live(self) -> list[shapes.LiveCall]:
        """What this server is answering now, the longest first."""
        found: Iterable[UnderWay] = list(self.gateway.live.values())
        calls = [
            shapes.LiveCall(id=one.id, path=one.path, seconds=one.seconds, key=one.key_name, target=one.target)
            for one in found
        ]
        return sorted(calls, key=lambda call: -call.seconds)

    async def calls(self, wanted: shapes.CallFilter) -> shapes.Page[shapes.Call]:
        """Calls that the ledger remembers, the newest first."""

        def read() -> shapes.Page[shapes.Call]:
            ledger = self.ledger()
            if ledger is None:
                return shapes.Page(())
            found = list(ledger.calls(wanted.limit + 1, after=wanted.after, **conditions_of(wanted)))
            shown = tuple(shapes.Call(**shown_call(record)) for record in found[: wanted.limit])
            return shapes.Page(shown, shown[-1].id if len(found) > wanted.limit else None)

        return await asyncio.to_thread(read)

    async def call(self, id_: str) -> shapes.WholeCall | None:
        """One call, with what was kept of its content."""

        def read() -> shapes.WholeCall | None:
            ledger = self.ledger()
            record = None if ledger is None else ledger.call(id_)
            if ledger is None or record is None:
                return None
            ask, response = ledger.content(record.id)
            said = None if ask is None else "\n\n".join(f"{one.role}: {one.text}" for one in ask.messages)
            return shapes.WholeCall(
                **shown_call(record), prompt=said, answer=None if response is None else response.text
            )

        return await asyncio.to_thread(read)

    async def costs(self, wanted: shapes.CostsOf) -> list[shapes.Costs]:
        """Sums of what calls cost."""

        def read() -> list[shapes.Costs]:
            ledger = self.ledger()
            found = [] if ledger is None else ledger.costs(wanted.by, **between(wanted.since, wanted.until))
            return [
                shapes.Costs(
                    name=total.name, calls=total.calls, amount=total.amount, unknown=total.unknown,
                    input_tokens=total.input_tokens, output_tokens=total.output_tokens,
                )
                for total in found
            ]  # fmt: skip

        return await asyncio.to_thread(read)

    def ledger(self) -> Ledger | None:
        """The ledger, where there is one."""
        return self.gateway.access.books.ledger()

    def _accounts(self) -> Accounts | None:
        return self.gateway.access.books.accounts()

    async def _with_accounts(self, work: Callable[[Accounts], Result]) -> Result:
        return await asyncio.to_thread(lambda: work(self.gateway.access.books.made_accounts()))

    def _once(self, secret: str, key: ClientKey) -> tuple[str, ShownKey]:
        return secret, shown_key(key, self.ledger())


def changed(body: msgspec.Struct) -> dict[str, Any]:
    """The fields that a body of changes gives."""
    given = {name: getattr(body, name) for name in body.__struct_fields__}
    return {name: value for name, value in given.items() if value is not msgspec.UNSET}
