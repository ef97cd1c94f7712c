"""Counting the tokens of a whole call, where the provider can say how many it would be."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Generic

from ..flow.steps import Flow
from ..values.request import Request
from .asking import Messages, ask_of
from .both import both
from .facade import Provider
from .seam import ConfigT


class CountsRequests(Provider[ConfigT], Generic[ConfigT]):
    """A provider that is asked how many tokens a request is, and so counts messages as well as texts.

    Attributes:
        counting_model: whose tokens are counted where no model is named.
    """

    counting_model: ClassVar[str]

    @abstractmethod
    def counted_flow(self, request: Request) -> Flow[int]:
        """Ask how many tokens a request is."""

    def tokens_flow(self, text: Messages, model: str | None = None) -> Flow[int]:
        """How many tokens a text (or a list of messages) is, as the provider counts it, a few for its frame included.

        Args:
            text: also messages, as :meth:`chat` takes them.
            model: whose tokens; those of a usual model of the provider unless given.

        Raises:
            ConfigurationError: there is no key, or the messages cannot be sent.
            ExecutionError: the provider was asked and failed.
        """
        return self.request_tokens_flow(model or self.counting_model, text)

    count_tokens, acount_tokens = both(tokens_flow, kind="tokens", name="count_tokens")

    def request_tokens_flow(self, /, model: str, messages: Messages, **arguments: Any) -> Flow[int]:
        """How many tokens a call would send: with its tools, its system prompt and its files.

        Args:
            arguments: as :meth:`chat` takes them: ``parameters``, ``tools``, ``tool_choice``, ``response_format``,
                ``provider_options``.
        """
        return self.counted_flow(self.request_of(ask_of(model, messages, **arguments)))

    count_request_tokens, acount_request_tokens = both(request_tokens_flow, kind="tokens", name="count_request_tokens")
