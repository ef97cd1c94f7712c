"""``-c`` and ``--conversation``: going on with what was said before, if a plugin remembers it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import attrs
import click

from ..errors import ConfigurationError
from ..plugins.registry import installed
from ..values.labels import labelled
from ..values.messages import Message
from .choices import Function
from .templating import Chosen

NOBODY = "pip install airouter-ledger, and `airouter logs on --content full`, to have conversations kept from then on"

continue_option = click.option(
    "-c", "--continue", "go_on", is_flag=True, help="Go on with the conversation that went on last."
)
conversation_option = click.option(
    "--conversation", metavar="ID", help="Go on with this one; `airouter logs --json` has ids."
)


def continuing_options(function: Function) -> Function:
    """The options of a command that can go on with a conversation."""
    return continue_option(conversation_option(function))


@attrs.frozen
class Past:
    """What was said before, and the id under which more is said.

    Attributes:
        address: who answered last; ``None`` for a conversation that begins now.
    """

    session: str
    messages: tuple[Message, ...] = ()
    address: str | None = None

    def addressed(self, provider: str | None, model: str | None, template: Chosen) -> str | None:
        """Whom to ask: as the command line says, or the template, or whoever answered last."""
        return template.addressed(provider, model) or (None if provider else self.address)

    def with_system(self, system: str | None) -> list[Message]:
        """What was said, after this system prompt, or else the one of then."""
        if system is None:
            return list(self.messages)
        return [Message.system(system), *(message for message in self.messages if message.role != "system")]

    @contextlib.contextmanager
    def going_on(self) -> Iterator[None]:
        """Around the calls that belong to it."""
        with labelled(session=self.session):
            yield


def past(go_on: bool, session: str | None) -> Past:
    """The conversation that a command goes on with, or a new one.

    Raises:
        ConfigurationError: nobody remembers it.
    """
    if session is None and not go_on:
        return Past(str(uuid.uuid4()))
    found = installed().conversation(session)
    if found is None:
        which = "no conversation is remembered" if session is None else f"no conversation {session!r} is remembered"
        raise ConfigurationError(f"{which}: {NOBODY}")
    return Past(found.session, found.messages, f"{found.provider}/{found.model}")
