"""What a public method does, for whoever has its name only: a file, a network, a layer that asks again."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ParameterError
from ..flow.steps import Flow
from ..values.ask import Ask


class Operation:
    """What an operation is, for whoever has its name only.

    Attributes:
        kind: of its asks; ``None`` for one that makes asks of its own, or needs none.
        flow: the name of the method that has its flow.
    """

    __slots__ = ("flow", "kind", "name")

    def __init__(self, name: str, kind: str | None, flow: str) -> None:
        self.name = name
        self.kind = kind
        self.flow = flow

    def flow_for(self, owner: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Flow[Any]:
        """The flow of a call: through the layers of the provider where it has a kind.

        Raises:
            TypeError: the method does not take these arguments.
        """
        try:
            if self.kind is not None:
                flow: Flow[Any] = owner.operation_flow(self.name, *arguments, **named)
            else:
                flow = getattr(owner, self.flow)(*arguments, **named)
        except TypeError:
            error = misuse(self.name, getattr(type(owner), self.flow), arguments, named)
            if error is None:
                raise
        else:
            return flow
        raise error


def operation_of(owner: type, name: str) -> Operation | None:
    """What a method that :func:`both` has made does; ``None`` of any other."""
    operation: Operation | None = getattr(getattr(owner, name, None), "operation", None)
    return operation


def flow_of_operation(owner: Any, ask: Ask) -> Flow[Any]:
    """The flow of an ask of another kind than chat, behind all layers.

    Raises:
        ParameterError: the owner has no such operation.
    """
    known = operation_of(type(owner), ask.operation)
    # An ask may come from a file or over a network: it names a published operation, or nothing is called.
    if known is None or known.kind != ask.kind:
        raise ParameterError(f"{owner.info.name} has no operation {ask.operation!r} of kind {ask.kind!r}")
    method = getattr(owner, known.flow)
    arguments = dict(ask.arguments)
    if ask.model is not None and takes(method, "model"):
        arguments["model"] = ask.model
    flow: Flow[Any] = method(**arguments)
    return flow


def arguments_of(method: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call by name, without those that were not given.

    Raises:
        TypeError: the method does not take them.
    """
    bound = signature_of(getattr(method, "__func__", method)).bind(None, *arguments, **named)
    given = dict(list(bound.arguments.items())[1:])
    for parameter in bound.signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            given.update(given.pop(parameter.name, {}))
    return given


def misuse(
    name: str, method: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]
) -> TypeError | None:
    """The error of a call whose arguments a method does not take, under the name that callers know it by."""
    from ..values.habits import misused

    return misused(name, signature_of(method), arguments, named)


def takes(method: Callable[..., Any], name: str) -> bool:
    """Whether a method has an argument of this name."""
    return name in signature_of(getattr(method, "__func__", method)).parameters


@functools.cache
def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """As :func:`inspect.signature` has it, looked at once."""
    return inspect.signature(function)


FLOW_OF_OLD: Mapping[str, str] = {
    "list_models": "models_flow()",
    "alist_models": "models_flow()",
    "embeddings": "embeddings_flow()",
    "aembeddings": "embeddings_flow()",
    "count_tokens": "tokens_flow()",
    "acount_tokens": "tokens_flow()",
    "check": "check_flow()",
    "acheck": "check_flow()",
    "get_info": "status_flow()",
    "aget_info": "status_flow()",
}
"""What providers of the first interface implemented, and what is implemented now."""


def refuse_first_interface(owner: type) -> None:
    """Tell the author of a provider of the first interface what to change.

    Raises:
        TypeError: this is one.
    """
    for name in vars(owner).keys() & FLOW_OF_OLD.keys():
        if operation_of(owner, name) is None:
            raise TypeError(
                f"{owner.__name__}.{name} was written for an older airouter-core: implement {FLOW_OF_OLD[name]} "
                "in its place, a generator; both halves are made of it (docs/write-a-provider.md)"
            )
