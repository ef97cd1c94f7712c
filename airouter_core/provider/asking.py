"""From what callers give to an ask: whatever is wrong with it, whoever is to answer, is said here."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ParameterError
from ..values.ask import NOTHING, Ask
from ..values.labels import labels
from ..values.message_dicts import MessageLike, messages_from
from ..values.messages import FilePart, Message
from ..values.response import Response
from ..values.tools import ResponseFormat, Tool, ToolChoice, response_format_from, tool_choice_from, tools_from
from .parsing import parsed_as

if TYPE_CHECKING:
    from ..flow.steps import Flow
    from .seam import ProviderSeam

Parameters = Mapping[str, Any]
Messages = str | MessageLike | Iterable[MessageLike]
Tools = Iterable[Tool | Mapping[str, Any] | Callable[..., Any]]
ToolChoiceLike = str | Mapping[str, Any] | ToolChoice
ResponseFormatLike = str | Mapping[str, Any] | ResponseFormat | type
ProviderOptions = Mapping[str, Mapping[str, Any]]
ImageUrls = str | Sequence[str]
ImagePaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
ImageData = bytes | str | Sequence[bytes | str]


def ask_of(
    model: str,
    messages: Messages,
    *,
    parameters: Parameters | None = None,
    tools: Tools | None = None,
    tool_choice: ToolChoiceLike | None = None,
    response_format: ResponseFormatLike | None = None,
    provider_options: ProviderOptions | None = None,
    **more: Any,
) -> Ask:
    """What a chat asks, whoever is to answer it.

    Args:
        more: further fields of the ask, such as ``tags``; they count before those of ``labelled``.

    Raises:
        ParameterError: nobody could be asked so.
    """
    if not isinstance(model, str) or not model.strip():
        raise ParameterError(f"model must be the name of a model, not {model!r}")
    for name, value in (("parameters", parameters), ("provider_options", provider_options)):
        if value is not None and not isinstance(value, Mapping):
            raise ParameterError(f"{name} must be a mapping, not {type(value).__name__}")
    offered = _offered(tools)
    return Ask(
        model=model,
        messages=messages_from(messages),
        tools=offered,
        tool_choice=tool_choice_from(tool_choice, offered),
        response_format=_format(response_format),
        parameters=parameters or NOTHING,
        provider_options=provider_options or NOTHING,
        **{**labels(), **more},
    )


class Asked:
    """One chat of one provider that is to be made."""

    def __init__(self, provider: ProviderSeam[Any], model: str, messages: Messages, given: Mapping[str, Any]) -> None:
        self._provider = provider
        self._model = model
        self._messages = messages
        self._given = given

    def whole(self) -> Flow[Response]:
        """The flow of the answer that nobody reads along."""
        return self._finished(ask_of(self._model, self._messages, **self._given))

    def streamed(self) -> Flow[Response]:
        """The flow of the answer that somebody reads along; what is wrong with it is said now."""
        ask = ask_of(self._model, self._messages, **self._given, stream=True)
        self._provider.make_ready(ask)
        return self._finished(ask)

    def _finished(self, ask: Ask) -> Flow[Response]:
        flow = self._provider.flow_of(ask)
        parse = parser_of(self._given.get("response_format"))
        return flow if parse is None else parsed_by(parse, flow)


def parser_of(response_format: ResponseFormatLike | None) -> Callable[[Response], Response] | None:
    """What makes an instance of a class of an answer, where one was given as the form of the answer."""
    if response_format is None or isinstance(response_format, str | Mapping | ResponseFormat):
        return None
    return functools.partial(parsed_as, response_format)


def parsed_by(parse: Callable[[Response], Response], flow: Flow[Response]) -> Flow[Response]:
    """With what ``parse`` makes of the answer."""
    return parse((yield from flow))


def conversation(prompt: str, system_prompt: str | None) -> tuple[Message, ...]:
    """The messages of a prompt with its system prompt.

    Raises:
        ParameterError: the prompt is no string.
    """
    if not isinstance(prompt, str):
        raise ParameterError(f"prompt must be a string, not {type(prompt).__name__}; chat() takes messages")
    return (*system_messages(system_prompt), Message("user", prompt))


def system_messages(system_prompt: str | None) -> tuple[Message, ...]:
    """The system message, if there is one.

    Raises:
        ParameterError: it is no string.
    """
    if system_prompt is None:
        return ()
    if not isinstance(system_prompt, str):
        raise ParameterError(f"system_prompt must be a string, not {type(system_prompt).__name__}")
    return (Message.system(system_prompt),) if system_prompt else ()


def conversation_about_images(
    prompt: str,
    image_url: ImageUrls | None,
    image_path: ImagePaths | None,
    image_data: ImageData | None,
    system_prompt: str | None,
) -> tuple[Message, ...]:
    """The messages of a question about images; those given by path are read now.

    Raises:
        ParameterError: there is no image, or something is none.
    """
    if not isinstance(prompt, str):
        raise ParameterError(f"prompt must be a string, not {type(prompt).__name__}; chat() takes messages")
    images = [FilePart.from_url(url) for url in _each(image_url)]
    images += [FilePart.from_path(path) for path in _each(image_path)]
    images += [FilePart.from_data(data) for data in _each(image_data)]
    if not images:
        raise ParameterError("give an image: image_url, image_path or image_data")
    for image in images:
        if not image.is_image:
            raise ParameterError(f"{image.name or 'image_data'} is no image that is known ({image.media_type})")
    return (*system_messages(system_prompt), Message.user(*images, prompt))


def seconds(deadline: float | None) -> float | None:
    """A deadline, checked.

    Raises:
        ParameterError: it is no number above 0.
    """
    number = isinstance(deadline, int | float) and not isinstance(deadline, bool)
    if deadline is not None and not (number and 0 < deadline < float("inf")):
        raise ParameterError(f"deadline must be a number of seconds above 0, not {deadline!r}")
    return deadline


def texts_of(text_or_list: str | Sequence[str]) -> list[str]:
    """A text, or several, as a list.

    Raises:
        ParameterError: there is none, or one is empty or no text.
    """
    several = isinstance(text_or_list, Iterable) and not isinstance(text_or_list, str)
    texts: list[Any] = list(text_or_list) if several else [text_or_list]
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise ParameterError("create_embedding takes a text or a list of texts, none of them empty")
    return texts


def _each(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    return tuple(value) if several else (value,)


def _offered(tools: Tools | None) -> tuple[Tool, ...]:
    if tools is None:
        return ()
    if not isinstance(tools, Iterable):
        raise ParameterError(f"tools must be a list of tools, not {type(tools).__name__}")
    return tools_from(map(_described, tools))


def _described(tool: Tool | Mapping[str, Any] | Callable[..., Any]) -> Tool | Mapping[str, Any]:
    if isinstance(tool, Tool | Mapping) or not callable(tool):
        return tool
    from ..tools.schemas import tool_of

    return tool_of(tool)


def _format(value: ResponseFormatLike | None) -> ResponseFormat | None:
    if value is None or isinstance(value, str | Mapping | ResponseFormat):
        return response_format_from(value)
    from ..tools.schemas import format_of

    return format_of(value)
