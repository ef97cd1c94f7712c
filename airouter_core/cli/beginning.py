"""How ``run`` and ``chat`` begin: whom they ask, after what was said before, and with what beside it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from ..plugins.registry import installed
from .choices import (
    given_provider_options,
    parameters_option,
    provider_option_option,
    system_option,
    target_options,
)
from .continuing import Past, continuing_options, past
from .sending import Along, along, attach_option, fragment_option, takes_pipe
from .targets import chosen_model, chosen_target
from .templating import Chosen, chosen_template, template_options
from .tooling import chosen_tools, functions_option, tool_option, yes_option

if TYPE_CHECKING:
    from ..plugins.layering import GivenLayer
    from ..provider.facade import Provider
    from ..tools.loop import ToolLike


@attrs.frozen(kw_only=True)
class Options:
    """What the command line says; each field is the parameter of an option."""

    provider_name: str | None
    model: str | None
    settings: tuple[str, ...]
    system: str | None
    template: str | None
    variables: tuple[str, ...]
    go_on: bool
    conversation: str | None
    options: tuple[str, ...]
    own_options: tuple[str, ...]
    fragments: tuple[str, ...]
    attachments: tuple[str, ...]
    tools: tuple[str, ...]
    files: tuple[str, ...]
    yes: bool


@attrs.frozen
class Beginning:
    """What a command is about to ask.

    Attributes:
        given: what the command line says.
        chosen: the template that fills its questions.
        functions: what the model may call.
        beside: what goes with the first question.
        earlier: what was said before.
    """

    given: Options
    chosen: Chosen
    functions: list[ToolLike]
    beside: Along
    earlier: Past

    @property
    def yes(self) -> bool:
        """Whether what the model calls is run unasked."""
        return self.given.yes

    @property
    def pipe_is_taken(self) -> bool:
        """Whether the pipe is beside the question, and no part of it."""
        return takes_pipe(self.given.fragments, self.given.attachments)

    def target(self, layers: Sequence[GivenLayer] = ()) -> tuple[Provider[Any], str]:
        """The provider, which is the caller's to close, and the model.

        Raises:
            ConfigurationError: one of them cannot be told, or the provider not be made.
        """
        given = self.given
        address = self.earlier.addressed(given.provider_name, given.model, self.chosen)
        provider, model = chosen_target(given.provider_name, address, given.settings, layers)
        try:
            return provider, chosen_model(provider, model)
        except BaseException:
            provider.close()
            raise

    def parameters(self, provider: Provider[Any]) -> dict[str, Any]:
        """The template's, and those of ``-o`` in their place.

        Raises:
            ParameterError: one is unknown, or cannot be read.
        """
        return self.chosen.with_parameters(self.given.options, installed().parameters(provider.info.name))

    def provider_options(self, provider: Provider[Any]) -> dict[str, Any]:
        """What only this provider understands, under its name."""
        return {provider.info.name: given_provider_options(self.given.own_options)}


def beginning_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that asks as ``run`` and ``chat`` do; it is given a :class:`Beginning` for them."""
    names = [field.name for field in attrs.fields(Options)]

    @functools.wraps(function)
    def command(**values: Any) -> None:
        given = Options(**{name: values.pop(name) for name in names})
        chosen = chosen_template(given.template, given.variables)
        functions = chosen_tools((*chosen.template.tools, *given.tools), given.files, yes=given.yes)
        earlier = past(given.go_on, given.conversation)
        function(Beginning(given, chosen, functions, along(given.fragments, given.attachments), earlier), **values)

    for options in (
        yes_option,
        functions_option,
        tool_option,
        attach_option,
        fragment_option,
        provider_option_option,
        parameters_option,
        continuing_options,
        template_options,
        system_option,
        target_options,
    ):
        command = options(command)
    return command
