"""What a plugin can do: the hooks, their contracts, and when each runs.

Mark an implementation with :data:`hookimpl`; take only the arguments you need. Order of one call::

    …                        the layers of plugins and of the program, the outermost first
    airouter_admit_call      every plugin is asked; one that raises CallVetoedError ends it here, unstarted
    airouter_call_started
    airouter_answer_call     the first that answers wins, and the provider is not asked
    …                        otherwise the provider answers
    airouter_call_ended      once for each start, also when the reader of a stream stops early

The four around a call hear of every kind of it: ``call.kind`` is ``"chat"``, ``"embedding"``, ``"models"``, … They may
block, and they may be ``async``: where somebody awaits they run in a thread, coroutines on the event loop; otherwise a
coroutine gets an event loop of its own. Whoever wants to wait, to change the ask or the answer, or to ask again writes
a layer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from ..profile.declarations import Command, LayerInfo, Parameter, ProviderInfo, SettingsTable
    from ..values.calls import Call, Outcome
    from ..values.conversation import Conversation
    from ..values.notes import SharedNotes
    from ..values.response import Response

PROJECT = "airouter"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def airouter_providers() -> Iterable[ProviderInfo]:  # type: ignore[empty-body]  # a specification has no body
    """Declare providers.

    Runs once per process, when anything is first asked about providers. Return values only: the implementation is
    named by ``ProviderInfo.target`` and imported by its first use. An exception marks the plugin as broken; it is
    named by ``airouter plugins``, and all others go on.
    """


@hookspec
def airouter_parameters(provider: str) -> Iterable[Parameter]:  # type: ignore[empty-body]  # as above
    """Declare canonical parameters, or spellings of them, that the core does not know.

    Runs once for each provider whose parameters are needed.

    Args:
        provider: canonical name of the provider asked for; return nothing for those you do not mean.

    A spelling that already belongs to another parameter is a ``PluginConflictError`` for whoever uses that provider.
    """


@hookspec
def airouter_tables() -> Iterable[SettingsTable]:  # type: ignore[empty-body]  # as above
    """Declare tables of the settings file that are this plugin's own, such as ``[budgets.NAME]``.

    Runs when a settings file is read. A table that no plugin declares, and that no provider is called like, is an
    error, so that a misspelt one is not passed over. :func:`airouter_core.plugins.tables.own_settings` gives what the
    file says in it. A table that two plugins declare is the first one's. The table that is called like the entry point
    of a plugin with layers need not be declared.
    """


@hookspec
def airouter_commands() -> Iterable[Command]:  # type: ignore[empty-body]  # as above
    """Declare commands of the ``airouter`` command line. Runs when that starts; return values only."""


@hookspec
def airouter_layers(settings: Mapping[str, Any]) -> Iterable[LayerInfo]:  # type: ignore[empty-body]  # as above
    """Declare layers around everything that every provider answers.

    Runs at the first call. Return values only: a layer is named by ``LayerInfo.target``, imported then, and made by
    calling it with the same settings; it stands where ``LayerInfo.position`` says. If a layer that was declared cannot
    be made, calls are refused: without the budget or the filter that somebody has installed, nothing goes out.

    Args:
        settings: the plugin's own table of the settings file, such as ``[ledger]`` for the entry point ``ledger``;
            empty when there is none. A plugin that is not configured may declare nothing.
    """


@hookspec(firstresult=True)
def airouter_conversation(session: str | None) -> Conversation | None:
    """Give back a conversation that is remembered, so that somebody can go on with it.

    Runs when it is asked for, as by ``airouter run --continue``, and around no call. The first result that is not
    ``None`` is the one; nothing is sent before. An exception reaches whoever asked.

    Args:
        session: its id, as the calls carried it in ``Ask.session``; ``None`` means the one that went on last.
    """


@hookspec(firstresult=True)
def airouter_shared_notes(settings: Mapping[str, Any]) -> SharedNotes | None:
    """Give a place for short notes that several processes leave for each other, such as that a target is down.

    Runs when it is first needed. The first result that is not ``None`` is the one. What it does may block; it is asked
    off the event loop, and what it fails at is told in the log and fails no call.

    Args:
        settings: the plugin's own table of the settings file, as for ``airouter_layers``.
    """


@hookspec
def airouter_admit_call(call: Call) -> Awaitable[None] | None:
    """Refuse a call before it is made, by raising :class:`~airouter_core.errors.CallVetoedError`.

    Runs after the call's parameters were checked and before anything is sent. Any other exception reaches the caller as
    it is.
    """


@hookspec(firstresult=True)
def airouter_answer_call(call: Call) -> Response | Awaitable[Response | None] | None:
    """Answer a chat in the provider's place: a cache, a recording, a fake.

    Runs after ``airouter_call_started``, of the kind ``"chat"`` only. The first result that is not ``None`` is the
    answer; a reader of a stream gets it as events. An exception fails the call.
    """


@hookspec
def airouter_call_started(call: Call) -> Awaitable[None] | None:
    """Observe that an admitted call begins. An exception is logged, and the call goes on."""


@hookspec
def airouter_call_ended(call: Call, outcome: Outcome) -> Awaitable[None] | None:
    """Observe how a call ended: a response, an error, or a reader who stopped.

    Runs exactly once for each ``airouter_call_started``, after the last event was read and before the caller goes on.
    An exception is logged, and changes nothing.
    """
