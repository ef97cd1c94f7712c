"""Reading the answer of one exchange: from its bytes, by way of the wire, to events.

Nothing is handed on until an answer has begun to say something. Before that a failure costs nobody anything, so that
the exchange may try again: a broken connection, or an overload that is told inside an answer of status 200. From the
first word on, each piece is parsed and handed on as it comes, and what fails is the caller's to know.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..config.cleaning import Cleaner
from ..errors import ExecutionError, ProtocolError, TransportError
from ..flow.endpoints import HttpResponse
from ..flow.exchange import Exchange, broke_after_the_end
from ..flow.layers import tapped
from ..flow.steps import Emit, Flow, delegated
from ..values.events import CostReported, MetadataReported, StreamEvent, StreamStart, UsageReported, Warned
from ..wire.bounds import MOST, Collected, Measure
from ..wire.http import NDJSON, StreamParser, Wire
from ..wire.json import after_prelude, begins_as_json, is_event_stream, is_html, is_prelude, shown

BEFORE_THE_ANSWER = frozenset({StreamStart, UsageReported, CostReported, MetadataReported, Warned})
"""Events that say nothing of the answer itself: while there are only these, a call that fails can be made again."""


def fetched(wire: Wire, exchange: Exchange) -> Flow[None]:
    """The events of an answer that nobody reads along: of all of it, or of what there is when it fails."""
    events: list[StreamEvent] = []

    def read(response: HttpResponse) -> Flow[None]:
        events[:] = _start(response, wire, exchange.cleaner)
        body = yield from exchange.read_all(response, MOST)
        if wire.stream_type != NDJSON and is_event_stream(body):  # some servers stream whatever they are asked
            parser = wire.open_stream()
            events.extend(parser.feed(body))
            events.extend(parser.close())
        else:
            events.extend(wire.parse_body(body))

    try:
        yield from exchange.begin(read)
    except ExecutionError:
        yield Emit(events)  # what there is of the answer belongs to the error
        raise
    yield Emit(events)


def streamed(wire: Wire, exchange: Exchange) -> Flow[None]:
    """The events of an answer, as it comes."""
    begun = _Begun()
    try:
        response, _ = yield from exchange.begin(lambda response: _read_beginning(wire, exchange, response, begun))
    except ExecutionError:
        yield Emit(begun.events)
        raise
    yield Emit(begun.events)
    if begun.parser is not None:
        if not begun.ended:
            # Delegated, so that the driver comes by nobody else between one piece and the next.
            parsed = _parsed(exchange, response, begun.parser, begun.measure)
            yield from delegated(parsed, through=tapped(begun.measure.add))
        yield Emit(begun.parser.close())


def _read_beginning(wire: Wire, exchange: Exchange, response: HttpResponse, begun: _Begun) -> Flow[None]:
    """Read a stream until it says something."""
    begun.again(_start(response, wire, exchange.cleaner))
    data = after_prelude((yield from exchange.read_some(response)))
    while is_prelude(data) and (more := (yield from exchange.read_some(response))):
        data = after_prelude(data + more)
    if is_html(data):
        raise ProtocolError(
            f"the provider sent a web page instead of a stream ({shown(data)}); check base_url and any proxy"
        )
    if wire.stream_type != NDJSON and begins_as_json(data):
        # Some servers do not stream, and some report their errors so. The content type tells less: streams have
        # been recorded that call themselves application/json.
        body = Collected(MOST)
        while data:
            body.add(data)
            data = yield from exchange.read_some(response)
        begun.collect(wire.parse_body(body.whole()))
        return
    # The id of a request or a count of tokens is no answer yet: only what says something ends the time of retries.
    begun.parser = wire.open_stream()
    while data:
        begun.collect(begun.parser.feed(data))
        if begun.says_something or begun.parser.done:
            return
        data = yield from exchange.read_some(response)
    begun.ended = True


def _parsed(exchange: Exchange, response: HttpResponse, parser: StreamParser, measure: Measure) -> Flow[None]:
    # One step, yielded again and again: a new one for each chunk would be the most made object of a stream.
    piece = exchange.piece_of(response)
    try:
        while not parser.done and (data := (yield piece)):
            if exchange.logs_content:
                exchange.log_content("received", data)
            yield Emit(parser.feed(data))
        if parser.done:
            yield from exchange.drain(response)
    except TransportError as error:
        if not measure.finished:
            raise
        yield Emit((broke_after_the_end(error),))


class _Begun(msgspec.Struct, eq=False):
    """The beginning of an answer, which is handed on when it is known to be one."""

    events: list[StreamEvent] = msgspec.field(default_factory=list)
    parser: StreamParser | None = None
    ended: bool = False
    says_something: bool = False
    measure: Measure = msgspec.field(default_factory=Measure)

    def again(self, events: Iterable[StreamEvent]) -> None:
        """Forget what an earlier attempt has brought."""
        self.events, self.parser, self.says_something, self.measure = list(events), None, False, Measure()

    def collect(self, events: Iterable[StreamEvent]) -> None:
        """Add events one by one: those before a failure are kept."""
        for event in events:
            self.measure.add(event)
            self.events.append(event)
            self.says_something = self.says_something or type(event) not in BEFORE_THE_ANSWER


def _start(response: HttpResponse, wire: Wire, cleaner: Cleaner) -> Iterable[StreamEvent]:
    for name in wire.request_id_headers:
        if request_id := response.headers.get(name):
            return (StreamStart(request_id=cleaner.given(request_id)),)
    return ()
