"""The key, and headers that hold others: seen by the server, and by nobody else."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

import attrs

from ...config.loading import load_config
from ...errors import AirouterError, ConfigurationError
from ...plugins.factory import config_class
from ..halves import in_each_half
from ..server import Answer, Connection, LoopbackServer, ReceivedRequest
from ..subject import CANARY, Subject, hold, none_of

SECOND = "canary-header-9876543210-never-shown"


class SecretChecks(Subject):
    """Secrets."""

    @in_each_half
    def test_the_key_is_sent_in_a_header(self) -> None:
        """The key reaches the server, and never as a part of the address or of the body."""
        if not self._has("api_key"):
            return
        with self.serving() as server, self.provider(server) as provider:
            self.ask(provider)
            request = server.requests[-1]
        holders = [name for name, value in request.headers.items() if CANARY in value]
        hold(len(holders) == 1, f"the key is in {len(holders)} headers of the request: {', '.join(holders)}")
        hold(CANARY not in request.path, "the key is in the address")
        hold(CANARY.encode() not in request.body, "the key is in the body")

    @in_each_half
    def test_no_output_shows_a_secret(self) -> None:
        """No repr, log, warning, error or traceback shows the key, even where the server repeats it."""
        if not self._has("api_key"):
            return
        self.http_class()
        none_of(f"the secret is in {place}" for place in self._leaks())

    def _leaks(self) -> Iterator[str]:
        shown = io.StringIO()
        handler = logging.StreamHandler(shown)
        with _debug_logs(handler), contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
            for name, text in self._outputs():
                if CANARY in text or SECOND in text:
                    yield name
        if CANARY in shown.getvalue() or SECOND in shown.getvalue():
            yield "a log, or what was printed"

    def _outputs(self) -> Iterator[tuple[str, str]]:
        for name, answer in _telling_answers():
            with LoopbackServer(_always(answer)) as server, self._talkative(server) as provider:
                yield "repr(provider)", repr(provider)
                yield "repr(provider.config)", repr(provider.config)
                for stream in (False, *((True,) if "stream" in self.info.capabilities else ())):
                    with warnings.catch_warnings(record=True) as caught:
                        warnings.simplefilter("always")
                        text = self._failure(provider, stream=stream)
                    yield f"the error for {name}", text
                    yield f"a warning for {name}", " ".join(str(item.message) for item in caught)
                yield f"get_info() for {name}", str(dict(provider.get_info()))
        yield "the error for a wrong setting", self._wrong_setting()

    def _talkative(self, server: LoopbackServer) -> Any:
        headers = {"custom_headers": {"X-Kit-Secret": SECOND}} if self._has("custom_headers") else {}
        return self.provider(server, log_content=True, **headers)

    def _failure(self, provider: Any, *, stream: bool) -> str:
        try:
            return repr(self.ask(provider, stream=stream).provider_metadata)
        except AirouterError as error:
            chain = "".join(traceback.format_exception(error))
            details = {name: getattr(error, name, None) for name in ("body", "error_type", "request_id", "args")}
            return f"{chain}{error!r}{details}"

    def _wrong_setting(self) -> str:
        texts = []
        for wrong in ({"api_key": [CANARY]}, {"api_kay": CANARY}, {"base_url": f"http://user:{CANARY}@127.0.0.1"}):
            try:
                load_config(config_class(self.info), wrong, provider=self.info.name, environ={})
            except ConfigurationError as error:
                texts.append("".join(traceback.format_exception(error)))
        return "".join(texts)

    def _has(self, setting: str) -> bool:
        return setting in {field.name for field in attrs.fields(config_class(self.info))}


def _telling_answers() -> Iterator[tuple[str, Answer]]:
    said = f"Incorrect API key provided: {CANARY} with {SECOND}"
    error = {"type": "error", "error": {"type": "authentication_error", "message": said}}
    headers = {"x-request-id": "kit", "x-echo": CANARY}
    yield "a 401 that repeats it", Answer.of_json(error, status=401, headers=headers)
    yield "an error inside a 200 that repeats it", Answer.of_json(error, headers=headers)
    yield (
        "broken JSON that repeats it",
        Answer(200, {"content-type": "application/json"}, (said.encode(),), "length"),
    )
    yield (
        "a stream that repeats it",
        Answer(200, {"content-type": "text/event-stream"}, (f"data: {{{said}\n\n".encode(),)),
    )
    yield "a redirect that repeats it", Answer(302, {"location": f"http://localhost:9/?key={CANARY}"}, (), "length")


def _always(answer: Answer) -> Any:
    def behave(request: ReceivedRequest, connection: Connection) -> None:
        connection.answer(answer)

    return behave


@contextlib.contextmanager
def _debug_logs(handler: logging.Handler) -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
