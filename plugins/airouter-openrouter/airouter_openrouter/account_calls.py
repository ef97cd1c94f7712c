"""The part of the provider that asks about the account, its key, and single answers."""

from __future__ import annotations

from airouter_core.errors import AuthenticationError, ModelNotFoundError, PermissionDeniedError, ProviderError
from airouter_core.flow.steps import Flow, Sleep
from airouter_core.provider.both import both
from airouter_core.provider.http import HttpProvider
from airouter_core.values.catalog import ProviderStatus

from .account import CREDITS, KEY, Credits, KeyInfo, credits_of_key
from .config import OpenRouterConfig
from .generation import GENERATION, Generation
from .profile import needs_key

STEP = 0.5
"""Seconds between two questions for a generation that is not there yet."""


class AccountCalls(HttpProvider[OpenRouterConfig]):
    """What there is beside answers. Each method is also awaited, under its name with an ``a``."""

    def credits_flow(self) -> Flow[Credits]:
        """What is left to spend: ``credits["credits"]``, in US dollars.

        That of the account, if the key may read it (a management key may); else that of the key's own limit.

        Raises:
            PermissionDeniedError: the key may not read the account's, and has no limit of its own.
            ExecutionError: the call failed.
        """
        try:
            return (yield from self.operate(CREDITS))
        except (PermissionDeniedError, AuthenticationError) as error:
            refusal = error
        # A key that is wrong altogether is refused again here, and then that is what the caller is told.
        key = yield from self.operate(KEY)
        return credits_of_key(key, refusal)

    get_credits, aget_credits = both(credits_flow, kind="account", name="get_credits")

    def key_flow(self) -> Flow[KeyInfo]:
        """What OpenRouter knows about the key in use: its limit, what it has spent.

        Raises:
            AuthenticationError: the key is wrong.
            ExecutionError: the call failed.
        """
        return self.operate(KEY)

    get_key_info, aget_key_info = both(key_flow, kind="account", name="get_key_info")

    def generation_flow(self, generation_id: str, *, wait: float = 3.0) -> Flow[Generation]:
        """What became of an answer: cost, vendor, tokens, times.

        Args:
            generation_id: ``response.id`` or ``response.request_id``.
            wait: seconds to keep asking while OpenRouter does not know it: it takes a moment to appear.

        Raises:
            ProviderError: there is none of this id, or not yet.
            ExecutionError: the call failed.
        """
        left = wait
        while True:
            try:
                return (yield from self.operate(GENERATION, generation_id))
            except ModelNotFoundError as error:
                if left <= 0:
                    raise ProviderError(
                        f"{self.info.name}: there is no generation {generation_id!r}, or not yet: it appears shortly "
                        "after the answer, for the account that made it",
                        provider=self.info.name,
                        status=error.status,
                        error_type=error.error_type,
                        body=error.body,
                    ) from error
            yield Sleep(min(STEP, left))
            left -= STEP

    get_generation, aget_generation = both(generation_flow, kind="account", name="get_generation")

    def check_flow(self) -> Flow[object]:
        """Ask about the key: models are listed for everybody."""
        return self.operate(KEY)

    def status_flow(self) -> Flow[ProviderStatus]:
        """How the provider is doing; without a key it lists models and cannot be used."""
        return needs_key((yield from super().status_flow()), self.config)
