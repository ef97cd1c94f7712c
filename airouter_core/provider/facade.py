"""Provider: what users hold. One set of methods, whatever answers; each also awaited, under its name with an ``a``.

Its methods make asks, and :meth:`flow_of` answers them (:mod:`airouter_core.provider.seam`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Literal, Self, TypeVar, overload

from ..errors import AirouterError
from ..flow.steps import Flow, delegated
from ..values.catalog import ModelInfo, ProviderStatus
from .asking import (
    Asked,
    ImageData,
    ImagePaths,
    ImageUrls,
    Messages,
    Parameters,
    ProviderOptions,
    ResponseFormatLike,
    ToolChoiceLike,
    Tools,
    ask_of,
    conversation,
    conversation_about_images,
    parser_of,
    seconds,
)
from .both import both, four_ways, four_ways_as_text
from .seam import ConfigT, ProviderSeam
from .searching import SearchMethods
from .streams import words_of

if TYPE_CHECKING:
    from ..flow.layers import See
    from ..tools.loop import Approve, ToolLike, ToolRun, Watch

Result = TypeVar("Result")


# Nothing here answers anything. Each method checks what it was given, makes an ask of it, and leaves the rest to the
# flow of that ask; so a layer, a router or a gateway that makes asks of its own goes the very same way.


class Provider(SearchMethods[ConfigT], Generic[ConfigT]):
    """Something that answers questions with a model. Made by :func:`airouter_core.create_provider`.

    A plugin that speaks HTTP derives from :class:`~airouter_core.provider.http.HttpProvider` and gives it a wire. One
    that does not implements :meth:`models_flow` here, and either :meth:`events`, or :meth:`reply` if it is better told
    as a flow: a router is. For many threads and event loops at once; a stream is for one reader.

    Args:
        config: an instance of the class that ``info.config_target`` names.
        plugins: whose hooks see the calls, and whose layers stand around them; none unless given.
    """

    if not TYPE_CHECKING:  # a type checker knows the names by itself

        def __getattr__(self, name: str) -> Any:
            from ..values.habits import OF_PROVIDERS, missing

            raise missing(self, name, OF_PROVIDERS)

    def chat_asked(
        self,
        model: str,
        messages: Messages,
        *,
        parameters: Parameters | None = None,
        tools: Tools | None = None,
        tool_choice: ToolChoiceLike | None = None,
        response_format: ResponseFormatLike | None = None,
        provider_options: ProviderOptions | None = None,
        deadline: float | None = None,
    ) -> Asked:
        """Ask with a conversation, and get the whole answer with all that is known about it.

        Args:
            messages: values, dicts in the chat-completions shape, or one string.
            parameters: by canonical name or alias; see ``airouter params``.
            tools: values, dicts, or plain typed functions.
            response_format: ``"json"``, a JSON Schema, a class whose instance ``response.parsed`` is to be, or a
                :class:`~airouter_core.values.tools.ResponseFormat`.
            provider_options: what only one provider understands, keyed by its name; others' are not sent.
            deadline: seconds for this call with its retries, up to the last word.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: the call failed.
        """
        given = {
            "parameters": parameters,
            "tools": tools,
            "tool_choice": tool_choice,
            "response_format": response_format,
            "provider_options": provider_options,
            "deadline": seconds(deadline),
        }
        return Asked(self, model, messages, given)

    chat, achat, stream_chat, astream_chat = four_ways(chat_asked, name="chat")

    def prompt_asked(
        self,
        model: str,
        prompt: str,
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
        *,
        deadline: float | None = None,
    ) -> Asked:
        """Ask, and get the answer's text.

        Args:
            deadline: seconds for this call with its retries, up to the last word.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: the call failed.
        """
        return Asked(
            self, model, conversation(prompt, system_prompt), {"parameters": parameters, "deadline": seconds(deadline)}
        )

    execute, aexecute, stream_execute, astream_execute = four_ways_as_text(prompt_asked, name="execute")

    @overload
    def chat_execute(
        self, model: str, messages: Messages, parameters: Parameters | None = None, stream: Literal[False] = False
    ) -> str: ...

    @overload
    def chat_execute(
        self, model: str, messages: Messages, parameters: Parameters | None = None, *, stream: Literal[True]
    ) -> Iterator[str]: ...

    def chat_execute(
        self, model: str, messages: Messages, parameters: Parameters | None = None, stream: bool = False
    ) -> str | Iterator[str]:
        """Ask with a conversation, and get the answer's text: whole, or with ``stream`` as it is made.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: the call failed.
        """
        if stream:
            return self.stream_chat(model, messages, parameters=parameters).texts()
        return words_of(self.chat(model, messages, parameters=parameters))

    def vision_flow(
        self,
        model: str,
        prompt: str,
        image_url: ImageUrls | None = None,
        image_path: ImagePaths | None = None,
        image_data: ImageData | None = None,
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> Flow[str]:
        """Ask about images: by address, by path, or by content (bytes, or base64 in a string); each one or several.

        Raises:
            ConfigurationError: the call is wrong (no image, a file that cannot be read); nothing was sent.
            ExecutionError: the call failed.
        """
        messages = conversation_about_images(prompt, image_url, image_path, image_data, system_prompt)
        response = yield from self.flow_of(ask_of(model, messages, parameters=parameters))
        text: str = words_of(response)
        return text

    execute_with_vision, aexecute_with_vision = both(vision_flow, name="execute_with_vision")

    def tools_flow(
        self,
        model: str,
        messages: Messages,
        tools: Iterable[ToolLike],
        *,
        max_rounds: int = 10,
        parameters: Parameters | None = None,
        tool_choice: ToolChoiceLike | None = None,
        response_format: ResponseFormatLike | None = None,
        provider_options: ProviderOptions | None = None,
        deadline: float | None = None,
        approve: Approve | None = None,
        watch: Watch | None = None,
        on_event: See | None = None,
    ) -> Flow[ToolRun]:
        """Ask, run the functions that the model calls, give it what they returned, until it has an answer.

        The calls of one turn run at the same time, in threads; awaited, a function may be a coroutine. What a function
        raises goes back to the model.

        Args:
            max_rounds: how often the model is asked at most.
            tool_choice: as :meth:`chat` has it. A tool that must be called must be called in the first answer; after it
                the model is free to answer.
            response_format: as :meth:`chat` has it, for the last answer: ``run.response.parsed``.
            deadline: seconds for all of it, the functions' own time included; one that runs is not interrupted.
            approve: is asked before each call, one after the other; may block. What it says no to is not run, and the
                model is told so.
            watch: is shown each answer when it is complete, with the calls that are about to be made.
            on_event: is shown each event of each answer as it is made; the model is then asked for streams.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: a call failed, or the model still calls tools after ``max_rounds``.
        """
        from ..tools.loop import Toolbox, loop

        toolbox = Toolbox(tools)
        ask = ask_of(
            model,
            messages,
            parameters=parameters,
            tools=toolbox.tools,
            tool_choice=tool_choice,
            provider_options=provider_options,
            response_format=response_format,
        )
        flow = loop(ask, self.flow_of, toolbox, max_rounds, parser_of(response_format), approve, watch, on_event)
        return flow if seconds(deadline) is None else delegated(flow, deadline=deadline)

    run_tools, arun_tools = both(tools_flow, name="run_tools")
    list_models, alist_models = both(ProviderSeam.models_flow, kind="models", name="list_models")
    count_tokens, acount_tokens = both(ProviderSeam.tokens_flow, kind="tokens", name="count_tokens")
    check, acheck = both(ProviderSeam.check_flow, kind="check", name="check")

    def usable_flow(self) -> Flow[bool]:
        """Whether a call could succeed now: the key is good, the server is up. The log says why not."""
        try:
            yield from self.operation_flow("check")
        except AirouterError as error:
            self.logger.warning("%s cannot be used: %s", self.info.name, error)
            return False
        return True

    validate_config, avalidate_config = both(usable_flow, name="validate_config")

    def status_flow(self) -> Flow[ProviderStatus]:
        """How the provider is doing; a provider that is down is reported, not raised."""
        models: list[ModelInfo] = []
        problem: str | None = None
        try:
            models = yield from self.operation_flow("list_models")
        except AirouterError as error:
            self.logger.debug("%s: models cannot be listed: %s", self.info.name, error)
            problem = str(error)
        return ProviderStatus(
            name=self.info.name,
            status="available" if problem is None else "unavailable",
            kind=self.info.kind,
            description=self.info.description,
            capabilities=self.info.capabilities,
            available_models=tuple(model.id for model in models),
            problem=problem,
            details=self.details(),
        )

    get_info, aget_info = both(status_flow, name="get_info")

    def run_flow(self, flow: Flow[Result]) -> Flow[Result]:
        """Drive a flow of this provider's, such as one of :meth:`flow_of`, to its result."""
        return self.bare(flow)

    run, arun = both(run_flow, name="run")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.info.name!r}>"
