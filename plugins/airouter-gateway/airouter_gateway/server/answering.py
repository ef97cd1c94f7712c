"""A question of any dialect, answered by whoever is meant."""

from __future__ import annotations

import inspect
import time
from collections.abc import Container, Iterable, Mapping
from typing import Any

import msgspec

from airouter_core.errors import UnsupportedFeatureError
from airouter_core.flow.layers import tapped
from airouter_core.flow.steps import delegated
from airouter_core.provider.facade import Provider
from airouter_core.provider.operations import operation_of
from airouter_core.values.ask import Ask
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import StreamEvent, UsageReported
from airouter_core.values.labels import labelled
from airouter_core.values.request import Request
from airouter_core.values.tokens import estimate_tokens
from airouter_core.values.usage import Usage, together
from airouter_ledger.budgets import KEY_TAG

from ..access.books import TEAM_TAG
from ..dialects import beside
from ..dialects.binding import bound, estimated_input, is_native, words_of
from ..dialects.dialect import Dialect
from ..dialects.openai.others import Texts
from ..dialects.question import Naming, Question, Taker
from ..dialects.refusals import Refusal
from ..serving import Serving, Target, UnknownModelError
from .exchange import REQUEST, Exchange, RefusedError
from .leases import Lease
from .numbers import Numbers
from .streaming import Keep, Stream

SERVED_BY = "x-airouter-served-by"
COUNTING = "count_request_tokens"
COUNTED = ("parameters", "tools", "tool_choice", "response_format", "provider_options")


class Answering:
    """Answers questions with the providers of one serving."""

    def __init__(self, serving: Serving, numbers: Numbers, lease: Lease) -> None:
        self._serving = serving
        self._numbers = numbers
        self._lease = lease
        self._key = lease.key

    @property
    def tags(self) -> dict[str, str]:
        """Whose call it is."""
        if self._key is None:
            return {}
        return {KEY_TAG: self._key.name, **({TEAM_TAG: self._key.team} if self._key.team else {})}

    @property
    def owner(self) -> str:
        """What nobody but the holder of the key and this server has; empty where no key is needed."""
        return "" if self._key is None else self._key.digest

    async def target_of(self, exchange: Exchange, model: str) -> Target:
        """Who answers for a model.

        Raises:
            RefusedError: nobody, or nobody whom this key may ask.
        """
        try:
            target = await self._serving.resolve(model)
        except UnknownModelError as error:
            # A key for some models need not tell which others there are.
            said = (
                f"model {model!r} is not served here" if self._key is not None and self._key.is_for_some else str(error)
            )
            raise RefusedError(Refusal(kind="no_model", message=said, param="model", should_retry=False)) from error
        if self._key is not None and not self._key.allows(*target.names):
            message = f"this key may not use {model!r}"
            raise RefusedError(Refusal(kind="forbidden", message=message, param="model", should_retry=False))
        exchange.target = target.address
        exchange.say(SERVED_BY, target.address)
        return target

    def may_ask(self, *names: str) -> bool:
        """Whether this key may use a model of one of these names."""
        return self._key is None or self._key.allows(*names)

    async def chat(self, exchange: Exchange, dialect: Dialect, question: Question, keep: Keep | None = None) -> None:
        """Answer a chat.

        Args:
            keep: is awaited before the end of an answer that is complete.
        """
        model = question.ask.model or ""
        target = await self.target_of(exchange, model)
        provider = self._serving.provider(target)
        taker = taker_of(provider, target.model)
        ask, lost = bound(question, target.model, taker, self.tags)
        if native := is_native(question, taker):
            # Its server knows who is to see its thoughts, and may want them back without having been asked for any.
            question = msgspec.structs.replace(question, shows_thoughts=True)
        most = ask.parameters.get("max_tokens")
        await self._lease.set_aside(exchange, estimated_input(ask) + (most if isinstance(most, int) else 0))
        writer = dialect.writer(question, Naming(exchange.id.removeprefix(REQUEST), int(time.time()), model))
        if question.ask.stream:
            await self._streamed(exchange, dialect, writer, provider, ask, lost, keep)
            return
        response = await exchange.until_left(provider.arun(provider.flow_of(ask)))
        untold = () if native else beside.untold(response, dialect.places)
        warn(exchange, (*lost, *response.warnings, *untold))
        self._book(response.usage)
        if response.served_by:
            exchange.say(SERVED_BY, response.served_by)  # a route tells whom it had it from
        if response.attempts:
            exchange.say("x-airouter-attempts", str(len(response.attempts)))
        own = ((b"x-request-id", exchange.id.encode()), (b"request-id", exchange.id.encode()))
        body = writer.whole(response, exchange.seconds)
        if keep is not None:
            await keep(writer)
        await exchange.whole(body, headers=own)

    async def vectors(self, exchange: Exchange, asked: Texts) -> tuple[list[list[float]], int]:
        """Vectors of texts, and how many tokens those are: an estimate where the provider does not tell."""
        warn(exchange, asked.losses)
        target = await self.target_of(exchange, asked.model)
        provider = self._serving.provider(target)
        arguments = {"text_or_list": list(asked.texts), "model": target.model, **asked.options}
        ask = Ask(
            kind="embedding",
            model=target.model,
            operation="create_embedding",
            arguments=arguments,
            tags=self.tags,
        )
        tokens = sum(map(estimate_tokens, asked.texts))
        await self._lease.set_aside(exchange, tokens)
        told: list[Usage] = []
        watched = delegated(provider.flow_of(ask), through=tapped(lambda event: told.extend(_usage_in(event))))
        vectors: list[list[float]] = await exchange.until_left(provider.arun(watched))
        if told:
            usage = together(*told)  # of many texts several requests were made
            self._book(usage)
            tokens = tokens if usage.input_tokens is None else usage.input_tokens
        return vectors, tokens

    async def operation(
        self, exchange: Exchange, model: str, name: str, arguments: Mapping[str, Any], *, spare: str = ""
    ) -> Any:
        """The result of an operation that only some providers have.

        Args:
            arguments: those that this provider's operation does not take are left out, and told.
            spare: the argument that takes what has no name among the others.

        Raises:
            UnsupportedFeatureError: the provider does not have it.
        """
        target = await self.target_of(exchange, model)
        provider = self._serving.provider(target)
        takes = parameters_of(provider, name)
        if takes is None:
            raise UnsupportedFeatureError(f"{target.name} has no operation {name!r}")
        given = {name: value for name, value in arguments.items() if name in takes}
        unknown = {name: value for name, value in arguments.items() if name not in takes and name != spare}
        if unknown and spare and spare in takes:
            given[spare] = {**unknown, **given.get(spare, {})}
        elif unknown:
            warn(exchange, [f"not sent, since {target.name} is not known to take it: {', '.join(sorted(unknown))}"])
        if "model" in takes:
            given["model"] = target.model
        await self._lease.set_aside(exchange, _estimated(given))
        with labelled(tags=self.tags):
            flow = provider.operation_flow(name, **given)
        return await exchange.until_left(provider.arun(flow))

    async def tokens(self, exchange: Exchange, question: Question) -> int:
        """How many tokens a question has: as the provider counts all of it where it can, else as it counts words."""
        target = await self.target_of(exchange, question.ask.model or "")
        provider = self._serving.provider(target)
        ask, _ = bound(question, target.model, taker_of(provider, target.model), self.tags)
        if parameters_of(provider, COUNTING) is not None:
            asked = {name: getattr(ask, name) for name in COUNTED}
            with labelled(tags=self.tags):
                flow = provider.operation_flow(COUNTING, ask.model, ask.messages, **asked)
            whole: int = await exchange.until_left(provider.arun(flow))
            return whole
        words = "\n".join(filter(None, words_of(ask)))
        counted: int = await exchange.until_left(provider.acount_tokens(words, target.model)) if words else 0
        return counted

    async def models(self) -> list[ModelInfo]:
        """The models that this key may use."""
        models = await self._serving.models()
        if self._key is None:
            return models
        # As a question is let through: by the name that the settings give a model, and by its address.
        meant = self._serving.settings.models
        return [model for model in models if self._key.allows(model.id, meant.get(model.id, model.id))]

    async def model(self, exchange: Exchange, name: str) -> ModelInfo:
        """What is known of a model.

        Raises:
            RefusedError: nobody here has it.
        """
        target = await self.target_of(exchange, name)
        listed = {model.id: model for model in await self._serving.models()}
        found = listed.get(name) or listed.get(target.address)
        return found or ModelInfo(id=name, name=name, provider=target.name)

    async def _streamed(
        self,
        exchange: Exchange,
        dialect: Dialect,
        writer: Any,
        provider: Provider[Any],
        ask: Ask,
        lost: tuple[str, ...],
        keep: Keep | None,
    ) -> None:
        def announce(served_by: str | None) -> None:
            if served_by is not None:
                exchange.say(SERVED_BY, served_by)
            warn(exchange, (*lost, *stream.stream.partial.warnings))
            exchange.say("x-request-id", exchange.id)
            exchange.say("request-id", exchange.id)

        stream = Stream(exchange, dialect, writer, provider.flow_of(ask), self._serving.settings, announce, keep)
        try:
            await stream.answer()
        finally:
            self._book(stream.stream.partial.usage)
            if stream.first_after is not None:
                self._numbers.first.labels(dialect.name).observe(stream.first_after)

    def _book(self, usage: Usage) -> None:
        self._numbers.use(usage)
        self._lease.used(usage)


def parameters_of(provider: Provider[Any], operation: str) -> Container[str] | None:
    """What a provider's operation takes; ``None`` where it has none of this name."""
    known = operation_of(type(provider), operation)
    return None if known is None else inspect.signature(getattr(type(provider), known.flow)).parameters


def taker_of(provider: Provider[Any], model: str) -> Taker:
    """What a provider takes of a question."""
    speaks = provider.speaks(Request(model=model, messages=()))
    return Taker(provider.info.name, speaks, provider.info.kind == "local")


def _usage_in(event: StreamEvent) -> tuple[Usage, ...]:
    return (event.usage,) if isinstance(event, UsageReported) else ()


def _estimated(given: Mapping[str, Any]) -> int:
    """About how many tokens an operation takes at most: its words, and the answer that it may have."""
    most = given.get("max_tokens")
    words = sum(estimate_tokens(value) for value in given.values() if isinstance(value, str))
    return words + (most if isinstance(most, int) else 0)


def warn(exchange: Exchange, warnings: Iterable[str]) -> None:
    """Name in a header what was lost on the way."""
    if said := "; ".join(dict.fromkeys(warnings)):
        exchange.say("x-airouter-warnings", said)
