"""The blocking and the awaited method of one flow, so that no signature and no docstring is said twice.

Type checkers and editors see the parameters of the flow, by way of ``ParamSpec``; ``help()`` sees its docstring::

    def credits_flow(self) -> Flow[Credits]:
        \"\"\"What is left to spend.\"\"\"
        return (yield from self.operate(CREDITS))

    get_credits, aget_credits = both(credits_flow, kind="account", name="get_credits")
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

from ..flow.blocking import Driver
from ..flow.steps import Flow
from ..values.response import Response
from .operations import Operation, misuse, signature_of
from .streams import AsyncResponseStream, ResponseStream, words_of

if TYPE_CHECKING:
    from ..flow.awaited import AsyncDriver

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
Made = TypeVar("Made", covariant=True)  # noqa: PLC0105  # named for what it is


# A flow says the order of things once; these make the methods that users call of it. The price is that signatures,
# names and docstrings must be carried over by hand, at import (`_describe`), and typed by way of `Method`.


class Method(Protocol[P, Made]):
    """What type checkers see of a method that was made: it binds as one that was written out.

    They differ in whether a ``Callable`` that stands in a class takes its owner first; this leaves no doubt.
    """

    @overload
    def __get__(self, instance: None, owner: Any = None, /) -> Callable[Concatenate[Any, P], Made]: ...
    @overload
    def __get__(self, instance: object, owner: Any = None, /) -> Callable[P, Made]: ...

    def __call__(self, owner: Any, /, *args: P.args, **named: P.kwargs) -> Made: ...


@functools.cache
def _awaited() -> type[AsyncDriver]:
    """Its driver, imported by the first call that awaits: who only blocks does not pay for it."""
    from ..flow.awaited import AsyncDriver

    return AsyncDriver


def _bound(function: Callable[Concatenate[S, P], R]) -> Method[P, R]:
    method: Any = function
    bound: Method[P, R] = method
    return bound


def both(
    flow: Callable[Concatenate[S, P], Flow[R]], *, name: str, kind: str | None = None, awaited: str | None = None
) -> tuple[Method[P, R], Method[P, Coroutine[Any, Any, R]]]:
    """The method that blocks and the one that awaits.

    Args:
        name: of the method that blocks; the other has it with an ``a`` before it.
        kind: of the asks that the method makes, which pass the layers of its provider; none when the flow makes asks of
            its own. What a subclass overrides is the flow.
        awaited: name of the method that awaits, where it is another.
    """
    # The flow is looked up by its name at each call, so that a subclass overrides the flow and both halves follow.
    operation = Operation(name, kind, flow.__name__)

    def blocking(self: S, /, *args: P.args, **named: P.kwargs) -> R:
        result: R = Driver(operation.flow_for(self, args, named)).run()
        return result

    async def awaiting(self: S, /, *args: P.args, **named: P.kwargs) -> R:
        result: R = await _awaited()(operation.flow_for(self, args, named)).run()
        return result

    _describe(flow, operation, blocking, awaiting, awaited or f"a{name}", ("{}", "{}"))
    return _bound(blocking), _bound(awaiting)


def both_iterators(
    flow: Callable[Concatenate[S, P], Flow[Any]], item: type[R], *, name: str, kind: str | None = None
) -> tuple[Method[P, Iterator[R]], Method[P, AsyncIterator[R]]]:
    """As :func:`both`, for what a flow emits instead of what it returns.

    Args:
        item: what it emits.
    """
    operation = Operation(name, kind, flow.__name__)

    def blocking(self: S, /, *args: P.args, **named: P.kwargs) -> Iterator[R]:
        return Driver(operation.flow_for(self, args, named)).events()

    def awaiting(self: S, /, *args: P.args, **named: P.kwargs) -> AsyncIterator[R]:
        return _awaited()(operation.flow_for(self, args, named)).events()

    _describe(
        flow,
        operation,
        blocking,
        awaiting,
        f"a{name}",
        (f"Iterator[{item.__name__}]", f"AsyncIterator[{item.__name__}]"),
    )
    return _bound(blocking), _bound(awaiting)


class Answering(Protocol):
    """A chat that is to be made: whole, or as a stream. Its flows are checked when they are made, not when driven."""

    def whole(self) -> Flow[Response]: ...

    def streamed(self) -> Flow[Response]: ...


def four_ways(
    asked: Callable[Concatenate[S, P], Answering], *, name: str
) -> tuple[
    Method[P, Response],
    Method[P, Coroutine[Any, Any, Response]],
    Method[P, ResponseStream],
    Method[P, AsyncResponseStream],
]:
    """The methods that make a chat: whole and as a stream, blocking and awaited."""

    def blocking(self: S, /, *args: P.args, **named: P.kwargs) -> Response:
        response: Response = Driver(_given(asked, name, self, args, named).whole()).run()
        return response

    async def awaiting(self: S, /, *args: P.args, **named: P.kwargs) -> Response:
        response: Response = await _awaited()(_given(asked, name, self, args, named).whole()).run()
        return response

    def streaming(self: S, /, *args: P.args, **named: P.kwargs) -> ResponseStream:
        return ResponseStream(_given(asked, name, self, args, named).streamed())

    def streaming_awaited(self: S, /, *args: P.args, **named: P.kwargs) -> AsyncResponseStream:
        return AsyncResponseStream(_given(asked, name, self, args, named).streamed())

    _describe_four(asked, name, (blocking, awaiting, streaming, streaming_awaited), "Response", "ResponseStream")
    return _bound(blocking), _bound(awaiting), _bound(streaming), _bound(streaming_awaited)


def four_ways_as_text(
    asked: Callable[Concatenate[S, P], Answering], *, name: str
) -> tuple[
    Method[P, str],
    Method[P, Coroutine[Any, Any, str]],
    Method[P, Iterator[str]],
    Method[P, AsyncIterator[str]],
]:
    """As :func:`four_ways`, of the answer's text alone."""

    def blocking(self: S, /, *args: P.args, **named: P.kwargs) -> str:
        response: Response = Driver(_given(asked, name, self, args, named).whole()).run()
        return words_of(response)

    async def awaiting(self: S, /, *args: P.args, **named: P.kwargs) -> str:
        response: Response = await _awaited()(_given(asked, name, self, args, named).whole()).run()
        return words_of(response)

    def streaming(self: S, /, *args: P.args, **named: P.kwargs) -> Iterator[str]:
        return ResponseStream(_given(asked, name, self, args, named).streamed()).texts()

    def streaming_awaited(self: S, /, *args: P.args, **named: P.kwargs) -> AsyncIterator[str]:
        return AsyncResponseStream(_given(asked, name, self, args, named).streamed()).texts()

    _describe_four(asked, name, (blocking, awaiting, streaming, streaming_awaited), "str", "Iterator[str]")
    return _bound(blocking), _bound(awaiting), _bound(streaming), _bound(streaming_awaited)


def _given(asked: Callable[..., Answering], method: str, owner: Any, args: Any, named: Mapping[str, Any]) -> Answering:
    try:
        return asked(owner, *args, **named)
    except TypeError:
        error = misuse(method, asked, args, named)
        if error is None:
            raise
    raise error


def _describe(
    flow: Callable[..., Any], operation: Operation, blocking: Any, awaiting: Any, awaited: str, says: tuple[str, str]
) -> None:
    """Make two functions look like methods that were written out."""
    result = str(signature_of(flow).return_annotation).removeprefix("Flow[").removesuffix("]")
    _dress(blocking, flow, operation.name, says[0].format(result), flow.__doc__)
    _dress(awaiting, flow, awaited, says[1].format(result), f":meth:`{operation.name}`, awaited.")
    blocking.operation = awaiting.operation = operation


def _describe_four(asked: Callable[..., Any], name: str, made: tuple[Any, ...], whole: str, stream: str) -> None:
    streaming = name.replace("chat", "stream_chat").replace("execute", "stream_execute")
    told = (
        f"As :meth:`{name}`, as it is made; the request is sent when the first piece is asked for.\n\n"
        "Raises:\n    ConfigurationError: the call is wrong; told at once, unless a layer may change it.\n"
        "    ExecutionError: while reading; ``partial`` holds what had arrived.\n"
    )
    _dress(made[0], asked, name, whole, asked.__doc__)
    _dress(made[1], asked, f"a{name}", whole, f":meth:`{name}`, awaited.")
    _dress(made[2], asked, streaming, stream, told)
    _dress(made[3], asked, f"a{streaming}", f"Async{stream}", f":meth:`{streaming}`, awaited.")


def _dress(made: Any, source: Callable[..., Any], name: str, result: str, told: str | None) -> None:
    made.__module__ = source.__module__
    made.__name__ = name
    made.__qualname__ = f"{source.__qualname__.rpartition('.')[0]}.{name}"
    made.__doc__ = told
    made.__signature__ = signature_of(source).replace(return_annotation=result)
