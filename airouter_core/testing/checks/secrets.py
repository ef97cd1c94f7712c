"""Keys, and headers that hold others: seen by the server, and by nobody else."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from ...config.loading import load_config
from ...errors import AirouterError, ConfigurationError
from ...plugins.factory import config_class
from ..halves import in_each_half
from ..server import Answer, Connection, LoopbackServer, ReceivedRequest
from ..subject import CANARY, Subject, none_of

SECOND = "canary-header-9876543210-never-shown"


class SecretChecks(Subject):
    """Secrets."""

    @in_each_half
    def test_the_key_is_sent_in_a_header(self) -> None:
        """Each secret reaches the server in one header or as a signature, and never in the address or in the body."""
        self._need_secrets()
        none_of(problem for name, value in self.planted().items() for problem in self._missent(name, value))

    def _missent(self, name: str, value: str) -> Iterator[str]:
        with self.serving() as server:
            for given in (value, f"other-{value}"):
                with self.provider(server, **{name: given}) as provider:
                    self.ask(provider)
            first, second = server.requests[-2:]
        holders = [header for header, said in first.headers.items() if value in said]
        if len(holders) > 1:
            yield f"{name} is in {len(holders)} headers of the request: {', '.join(holders)}"
        if not holders and first.headers == second.headers:
            yield f"{name} is in no header of the request, and none changes with it"
        if value in first.path:
            yield f"{name} is in the address"
        if value.encode() in first.body:
            yield f"{name} is in the body"

    @in_each_half
    def test_no_output_shows_a_secret(self) -> None:
        """No repr, log, warning, error or traceback shows a secret, even where the server repeats it."""
        self._need_secrets()
        self.http_class()
        none_of(f"the secret is in {place}" for place in self._leaks())

    def _leaks(self) -> Iterator[str]:
        shown = io.StringIO()
        handler = logging.StreamHandler(shown)
        with _debug_logs(handler), contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
            for name, text in self._outputs():
                if self._shows(text):
                    yield name
        if self._shows(shown.getvalue()):
            yield "a log, or what was printed"

    def _outputs(self) -> Iterator[tuple[str, str]]:
        for name, answer in _telling_answers(" and ".join(self.planted().values())):
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
        typed: list[dict[str, Any]] = [{name: [value]} for name, value in self.planted().items()]
        misspelt: list[dict[str, Any]] = [{f"{name}y": value} for name, value in self.planted().items()]
        for wrong in (*typed, *misspelt, {"base_url": f"http://user:{CANARY}@127.0.0.1"}):
            try:
                load_config(config_class(self.info), wrong, provider=self.info.name, environ={})
            except ConfigurationError as error:
                texts.append("".join(traceback.format_exception(error)))
        return "".join(texts)

    def _shows(self, text: str) -> bool:
        return any(secret in text for secret in (*self.planted().values(), CANARY, SECOND))

    def _need_secrets(self) -> None:
        if not any(map(self._has, self.secrets)):
            pytest.skip("has no setting that proves who asks: set `secrets` where it is called otherwise")

    def _has(self, setting: str) -> bool:
        return setting in {field.name for field in attrs.fields(config_class(self.info))}


def _telling_answers(secrets: str) -> Iterator[tuple[str, Answer]]:
    said = f"Incorrect API key provided: {secrets} with {SECOND}"
    error = {"type": "error", "error": {"type": "authentication_error", "message": said}}
    headers = {"x-request-id": "kit", "x-echo": secrets}
    address = f"http://localhost:9/?key={secrets.replace(' ', '+')}"
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
    yield (
        "a redirect that repeats it",
        Answer(302, {"location": address}, (), "length"),
    )


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
