"""BedrockProvider: conversations by the Converse API, and what the service has beside them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from airouter_core.config.loading import require_api_key
from airouter_core.errors import BadRequestError, ExecutionError, ParameterError
from airouter_core.flow.portions import in_portions
from airouter_core.flow.steps import Do, Flow
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.provider.asking import Messages, ask_of
from airouter_core.provider.both import both
from airouter_core.provider.http import HttpProvider
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.request import Request
from airouter_core.values.tokens import estimate_tokens

from .chain import CredentialChain
from .config import BedrockConfig
from .endpoints import AT_ONCE, COUNT_TOKENS, EMBED, MODELS, NOT_COUNTED, PROFILE_PAGE, takes_several, with_profiles
from .wire import CONVERSE


class BedrockProvider(HttpProvider[BedrockConfig]):
    """Models on Amazon Bedrock, with a Bedrock key, an AWS access key, or what the AWS SDK finds."""

    wire = CONVERSE
    models = MODELS

    def __init__(self, config: BedrockConfig, info: ProviderInfo, plugins: Plugins | None = None) -> None:
        super().__init__(config, info, plugins)
        self._chain = CredentialChain()

    def takes_field(self, field: str) -> bool:
        """Marks for the cache in message dicts, which become cache points."""
        return field == "cache_control"

    def connect(self, model: str | None, request: Request | None, **options: Any) -> Flow[BedrockConfig]:
        """The configuration with credentials that are good now."""
        if not self.config.asks_the_chain:
            if self.config.needs_api_key:
                require_api_key(None, provider=self.info.name, variable=self.info.api_key_env)
            return self.config
        config: BedrockConfig = yield Do(lambda: self._chain.completed(self.config))
        return config

    def models_flow(self) -> Flow[list[ModelInfo]]:
        """List the models, and the inference profiles by which the newer ones are asked."""
        models = yield from self.operate(MODELS)
        try:
            entries = yield from self._profiles()
        except ExecutionError as error:
            # Keys may be good for one list and not for the other.
            self.logger.warning("inference profiles cannot be listed: %s", error)
            entries = []
        return list(with_profiles(models, entries))

    def tokens_flow(self, text: Messages, model: str | None = None) -> Flow[int]:
        """How many tokens a text (or a list of messages) is: as the service counts, else an estimate.

        The service counts for some models only; without a model, and for the others, this is the estimate of
        :func:`~airouter_core.values.tokens.estimate_tokens`.

        Args:
            text: also messages, as :meth:`chat` takes them.

        Raises:
            ConfigurationError: there are no credentials, or the messages cannot be sent.
            ExecutionError: the service was asked and failed.
        """
        if model is None:
            return _estimate(text)
        request = self.request_of(ask_of(model, text))
        try:
            return (yield from self.operate(COUNT_TOKENS, request, model=model))
        except BadRequestError as error:
            if NOT_COUNTED not in str(error):
                raise
            self.logger.debug("the tokens of %s are not counted by the service; estimated", model)
            return sum(estimate_tokens(message.text) for message in request.messages)

    count_tokens, acount_tokens = both(tokens_flow, kind="tokens", name="count_tokens")

    def embeddings_flow(self, texts: Sequence[str], model: str | None) -> Flow[list[list[float]]]:
        """One vector for each text; most models here take one text in a request."""
        if model is None:
            raise ParameterError("bedrock has no usual model for embeddings; name one, as amazon.titan-embed-text-v2:0")
        ask = functools.partial(self.operate, EMBED, model, model=model)
        return in_portions(texts, AT_ONCE if takes_several(model) else 1, ask)

    def _profiles(self) -> Flow[list[Mapping[str, Any]]]:
        entries: list[Mapping[str, Any]] = []
        after: str | None = None
        while True:
            page = yield from self.operate(PROFILE_PAGE, after)
            entries += page.entries
            if page.next is None or not page.entries:
                return entries
            after = page.next


def _estimate(text: Messages) -> int:
    if not isinstance(text, str):
        raise ParameterError("bedrock counts the tokens of messages for a model: name one")
    return estimate_tokens(text)
