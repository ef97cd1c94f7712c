"""Nothing that leaves the library shows a key: a planted one is looked for in all that is raised and logged."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from airouter_core import errors
from airouter_core.config.cleaning import Cleaner
from airouter_core.config.http import HttpConfig
from airouter_core.config.loading import load_config
from airouter_core.errors import (
    AirouterError,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    ProviderError,
)
from airouter_core.flow.steps import Flow
from airouter_core.provider.http import HttpProvider
from airouter_core.testing.halves import AWAITED, BLOCKING, Half
from airouter_core.values.messages import Message
from airouter_core.values.response import Response

KEY = "sk-planted-q7Zx93kkWw81LmN/+="
PLANTED: dict[str, Any] = {"api_key": KEY, "max_retries": 0, "timeout": 5, "log_content": True}
SPELLINGS = {
    "plain": KEY,
    "in JSON": KEY.replace("/", "\\/"),
    "all escaped": "".join(f"\\u{ord(character):04x}" for character in KEY),
    "in an address": KEY.replace("/", "%2F").replace("+", "%2b").replace("=", "%3D"),
}


def places(value: Any, path: str = "error", seen: set[int] | None = None) -> Iterator[tuple[str, str]]:
    """All text that can be reached from a value: through attributes, items, causes, and the variables of frames."""
    seen = set() if seen is None else seen
    if isinstance(value, str | bytes):
        yield path, value if isinstance(value, str) else value.decode("utf-8", "replace")
        return
    if id(value) in seen or isinstance(value, int | float | type | None):
        return
    seen.add(id(value))
    if isinstance(value, BaseException):
        yield f"repr({path})", repr(value) + str(value)
        yield from frames_of(value, path)
    for name, part in parts_of(value):
        yield from places(part, f"{path}.{name}", seen)


def parts_of(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseException):
        yield from ((name, getattr(value, name, None)) for name in ("args", "__cause__", "__context__", "object"))
    if isinstance(value, dict):
        yield from (("keys", key) for key in value)
        yield from ((str(key), item) for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        yield from (("items", item) for item in value)
    if isinstance(value, msgspec.Struct):
        yield from ((name, getattr(value, name)) for name in value.__struct_fields__)
    yield from getattr(value, "__dict__", {}).items()


def frames_of(error: BaseException, path: str) -> Iterator[tuple[str, str]]:
    """The variables of frames, as who reports errors shows them; those of this test are its own."""
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if "airouter_core" in code.co_filename or "site-packages" in code.co_filename:
            for name, local in step.tb_frame.f_locals.items():
                yield f"{path}: {code.co_name}.{name}", _as_reported(local)
        step = step.tb_next


def _as_reported(local: Any) -> str:
    """As reporters of errors show a variable: containers whole, anything else by its repr."""
    with contextlib.suppress(Exception):
        return repr(local)
    return ""


def leaks(error: BaseException) -> list[str]:
    found = [path for path, text in places(error) if is_told(text)]
    if is_told("".join(traceback.format_exception(error))):
        found.append("traceback")
    if is_told(pickle.dumps(error).decode("latin-1")):
        found.append("pickle")
    return found


def is_told(text: str) -> bool:
    return any(spelling in text for spelling in SPELLINGS.values())


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, at every level and by everybody."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(params=(BLOCKING, AWAITED), ids=lambda half: half.name)
def half(request: pytest.FixtureRequest) -> Half:
    chosen: Half = request.param
    return chosen


@pytest.fixture
def make(half: Half, make_provider: Any) -> Iterator[Callable[..., Any]]:
    with contextlib.ExitStack() as stack:
        yield lambda url, **settings: stack.enter_context(
            half.of(
                make_provider(url, **{"api_key": KEY, "max_retries": 0, "timeout": 5, "log_content": True, **settings})
            )
        )


def error_classes() -> list[type[AirouterError]]:
    found = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, AirouterError)]
    return sorted(found, key=lambda item: item.__name__)


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_every_class_of_errors_leaves_clean(kind: type[AirouterError], make_provider: Any) -> None:
    """In words and attributes, causes and contexts, whatever raised them; what else they say stays."""
    provider = make_provider("http://h", api_key=KEY)

    def deep(headers: dict[str, str]) -> None:
        raise OSError(f"the system met {KEY}")

    def flow() -> Flow[None]:
        yield from ()
        error = kind(f"it said {KEY}, and why")
        error.__dict__.update(error_type=KEY, request_id=f"r-{KEY}", body=json.dumps({"key": KEY}))
        error.__dict__["partial"] = Response(message=Message.assistant(KEY), provider_metadata={"raw": {"deep": [KEY]}})
        try:
            deep({"Authorization": f"Bearer {KEY}"})
        except OSError:
            try:
                raise ValueError(f"then {KEY}")
            except ValueError as cause:
                raise error from cause

    with pytest.raises(kind) as caught:
        provider.run(flow())
    assert leaks(caught.value) == []
    assert str(caught.value) == "it said ***, and why"
    assert str(caught.value.__cause__) == "then ***"


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("status", [200, 401, 500])
def test_an_echoed_key(serve: Any, make: Any, log: Any, spelling: str, stream: bool, status: int) -> None:
    """A provider that repeats the key, in any field and any spelling, tells nobody."""
    text = SPELLINGS[spelling]
    escaped = text if spelling in ("all escaped", "in JSON") else json.dumps(text)[1:-1]
    said = f'{{"error": {{"message": "m {escaped}", "type": "{escaped}", "code": "{escaped}", "param": "{escaped}"}}}}'
    server = serve(
        lambda peer, _: peer.answer(status, said.encode(), Content_Type="application/json", X_Request_Id=f"r-{text}")
    )
    provider = make(server.url)
    with pytest.raises(ProviderError) as caught:
        list(provider.stream_execute("m", "hi")) if stream else provider.execute("m", "hi")
    assert leaks(caught.value) == []
    assert not is_told(log.getvalue())


def page(content_type: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (content_type, len(body), body)


ECHO = KEY.encode()
BREAKING = {
    "a web page": page(b"text/html", b"<html>" + ECHO),
    "broken JSON": page(b"application/json", b"{" + ECHO),
    "no UTF-8": page(b"application/json", b'{"a": "\xff' + ECHO),
    "a broken event": page(b"text/event-stream", b"data: {" + ECHO + b"\n\ndata: \xff" + ECHO + b"\n\n"),
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://else.test/%b?k=%b\r\nContent-Length: 0\r\n\r\n"
    % (ECHO, ECHO),
    "a broken head": b"HTTP/1.1 2x0 %b\r\nX: \x00\r\n" % ECHO,
    "a line that is no header": b"HTTP/1.1 500 Error\r\nX: y\r\n%b\r\nContent-Length: 0\r\n\r\n" % ECHO,
    "no HTTP": b"%b\r\n\r\n" % ECHO,
    "nothing": b"",
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("what", BREAKING)
def test_what_breaks(serve: Any, make: Any, log: Any, what: str, stream: bool) -> None:
    """However a call fails, no cause holds on to a request, a header or a frame."""

    def script(peer: Any, _: Any) -> bool:
        peer.send(BREAKING[what])
        return False

    provider = make(serve(script).url, custom_headers={"X-Other": KEY})
    with pytest.raises(AirouterError) as caught:
        list(provider.stream_execute("m", "hi")) if stream else provider.execute("m", "hi")
    assert leaks(caught.value) == []
    assert not is_told(log.getvalue())


def test_nobody_there(make: Any, log: Any) -> None:
    """The likeliest failure of all: what urllib3 and aiohttp know of the request goes with neither cause nor frame."""
    with pytest.raises(ConnectionFailedError) as caught:
        make("http://127.0.0.1:9").execute("m", "hi")
    assert leaks(caught.value) == []
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert not is_told(log.getvalue())


class Fetching(HttpProvider[HttpConfig]):
    """Its token is fetched for each call, and is in no setting."""

    def connect(self, model: Any, request: Any, **options: Any) -> Flow[Any]:
        import attrs

        yield from ()
        return attrs.evolve(self.config, api_key=KEY)


def test_a_token_that_was_fetched_is_hidden_too(serve: Any, half: Half, make_provider: Any, log: Any) -> None:
    """Whatever was sent in a header that tells, wherever it came from."""
    said = json.dumps({"error": {"message": f"bad token {KEY}", "type": KEY}}).encode()
    server = serve(lambda peer, _: peer.answer(401, said, Content_Type="application/json"))
    model = make_provider(server.url, log_content=True)
    fetching = type("Fetching", (Fetching, type(model)), {})(model.config, model.info)
    with half.of(fetching) as provider, pytest.raises(AuthenticationError) as caught:
        provider.execute("m", "hi")
    assert leaks(caught.value) == []
    assert "bad token ***" in str(caught.value)
    assert not is_told(log.getvalue())


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": f"http://host.test/v1?key={KEY}"},
        {"base_url": f"http://user:{KEY}@host.test/v1"},
        {"base_url": f"http://{SPELLINGS['in an address']}@host.test/v1"},
        {"base_url": f"htp://host.test/v1?key={KEY}#x"},
        {"base_url": f"host.test/v1?key={KEY}"},
        {"base_url": f"http://host.test:99999/?{KEY}"},
        {"base_url": f"http://[::1/?{KEY}"},
        {"base_url": f"http://host.test/ {KEY}"},
        {"api_key": [KEY]},
        {"api_key": f"{KEY}\n"},
        {"custom_headers": {"X-Key": f"{KEY}\n"}},
        {"custom_headers": [KEY]},
        {"proxies": KEY},
        {"proxies": {"http": [KEY]}},
    ],
)
def test_a_refused_setting_is_not_shown(settings: dict[str, Any]) -> None:
    """Neither its value nor the query of an address, in the message or in what it came from."""
    with pytest.raises(ConfigurationError) as caught:
        load_config(HttpConfig, settings, provider="example", environ={})
    assert [path for path in leaks(caught.value) if "load_config" not in path and "_built" not in path] == []


def test_proxies_have_passwords(make_provider: Any) -> None:
    """A user name may be a token, and a password is meant as it is decoded, too."""
    proxies = {"http": "http://token-in-place-of-user:x@p.test:1", "https": "http://u:pass%2Fword@p.test:1"}
    cleaner = Cleaner(make_provider("http://h", proxies=proxies).config.secrets)
    assert cleaner.text("a token-in-place-of-user b pass/word c pass%2Fword") == "a *** b *** c ***"


def test_cleaning_keeps_what_is_no_secret() -> None:
    """Values are given back as they were, and short words are no secrets."""
    cleaner = Cleaner(["abc", "long-enough-secret"])
    value = {"abc": [1, 2.5, None, True, ("x", b"y")], "n": {"deep": Response(message=Message.assistant("m"))}}
    assert cleaner.value(value) == value
    assert cleaner.value({"a": (b"long-enough-secret", "LONG-enough-secret")}) == {"a": (b"***", "LONG-enough-secret")}


def test_a_failed_call_keeps_nothing_alive(make_provider: Any) -> None:
    """Whoever collects errors does not collect connections and requests with them."""
    import urllib3

    def answers() -> list[Any]:
        return [item for item in gc.get_objects() if issubclass(type(item), urllib3.HTTPResponse)]

    gc.collect()
    others = answers()  # what tests before this one have left
    provider = make_provider("http://127.0.0.1:9", api_key=KEY, max_retries=0)
    kept = []
    for _ in range(3):
        with pytest.raises(ConnectionFailedError) as caught:
            provider.execute("m", "hi")
        kept.append(caught.value.with_traceback(None))
    del caught
    gc.collect()
    assert all(any(one is other for other in others) for one in answers())
    assert len(kept) == 3
