"""Inside other people's programs: mocks, debuggers, pickles, other event loops, forks, and loops that have ended."""

from __future__ import annotations

import asyncio
import copy
import inspect
import os
import pickle
import select
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from airouter_core.errors import ConfigurationError
from airouter_core.flow.awaited import AsyncDriver
from airouter_core.flow.slots import Slots
from airouter_core.flow.steps import Do, Flow, Gather, Sleep, Take, given
from airouter_core.manager import ProviderManager

BODY = b'{"choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}]}'


def answers(peer: Any, received: Any) -> None:
    if b'"stream":true' in received.body:
        peer.head(200, Content_Type="text/event-stream", Transfer_Encoding="chunked")
        for text in (b"hel", b"lo"):
            peer.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % text)
        peer.chunk(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
        peer.chunk(b"")
    else:
        peer.answer(200, BODY, Content_Type="application/json")


def test_what_looks_at_everything(serve: Any, make_provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mocks and debuggers read every attribute: of closed providers, without the awaited half, of unread streams."""
    provider = make_provider(serve(answers).url)
    stream = provider.stream_chat("m", "hi")
    assert not hasattr(stream, "response")
    inspect.getmembers(stream)
    stream.close()
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "aiohttp", None)
        without.delitem(sys.modules, "airouter_core.transports.awaited", raising=False)
        mock.create_autospec(provider)
        with pytest.raises(ConfigurationError, match=r"airouter-core\[async\]"):
            asyncio.run(provider.aexecute("m", "hi"))
    provider.close()
    fake = mock.Mock(spec=provider)
    fake.execute.return_value = "hello"
    assert fake.execute("m", "hi") == "hello"
    with pytest.raises(ConfigurationError, match="was closed"):
        provider.execute("m", "hi")
    with pytest.raises(ConfigurationError, match="was closed"):
        asyncio.run(provider.aexecute("m", "hi"))


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy])
def test_what_holds_connections_is_for_one_process(serve: Any, make_provider: Any, take: Callable[[Any], Any]) -> None:
    """It says what to do instead, and not which lock could not be pickled."""
    provider = make_provider(serve(answers).url)
    with provider.stream_chat("m", "hi") as stream:
        for thing in (provider, ProviderManager(), stream):
            with pytest.raises(TypeError, match="create"):
                take(thing)
        list(stream)
        assert take(stream.response)


@pytest.mark.parametrize("name", ["aexecute", "alist_models", "astream_execute"])
def test_an_event_loop_of_others(make_provider: Any, name: str) -> None:
    """Driven by what is not asyncio, the awaited half says where it works, in one sentence."""
    provider = make_provider("http://127.0.0.1:9")
    made = getattr(provider, name)(*(() if name == "alist_models" else ("m", "hi")))
    step = made if inspect.iscoroutine(made) else anext(made)
    with pytest.raises(ConfigurationError, match=r"event loop of asyncio.*trio\.to_thread"):
        step.__await__().send(None) if not inspect.iscoroutine(step) else step.send(None)


@pytest.mark.parametrize(
    "step",
    [Do(int), Sleep(0.01), Gather((given(1), given(2))), Take(Slots(1))],
    ids=["work in a thread", "waiting", "flows side by side", "a place in a queue"],
)
def test_what_a_layer_does_in_an_event_loop_of_others(step: Any) -> None:
    """Whatever comes before the request, the sentence is the same."""

    def flow() -> Flow[Any]:
        return (yield step)

    if isinstance(step, Take):
        assert step.slots.take(lambda: None)  # so that there is none left
    with pytest.raises(ConfigurationError, match="event loop of asyncio"):
        AsyncDriver(flow()).run().send(None)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_loop_that_came_through_a_fork(serve: Any, make_provider: Any) -> None:
    """The parent still speaks on its connections, so the child is told to make a loop of its own; that one works."""
    provider = make_provider(serve(answers).url)
    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(provider.aexecute("m", "hi")) == "hello"
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                said = loop.run_until_complete(provider.aexecute("m", "hi"))
            except ConfigurationError as error:
                said = str(error)
            os.write(writable, f"{said} / {asyncio.run(provider.aexecute('m', 'hi'))}".encode())
        finally:
            os._exit(0)
    assert select.select([readable], [], [], 20)[0]
    told, _, answer = os.read(readable, 1000).decode().partition(" / ")
    os.waitpid(child, 0)
    assert "came through a fork" in told
    assert answer == "hello"
    assert loop.run_until_complete(provider.aexecute("m", "hi")) == "hello"
    loop.run_until_complete(provider.aclose())
    loop.close()
    os.close(readable)
    os.close(writable)


def test_loops_that_have_ended_leave_nothing_open(serve: Any, make_provider: Any) -> None:
    """Nobody closes the provider, warnings are errors, and nothing is said on stderr."""
    program = """
        import asyncio, sys, threading
        from airouter_core.config.http import HttpConfig
        from airouter_core.config.loading import load_config
        sys.path.insert(0, sys.argv[2])
        from conftest import INFO, ExampleProvider
        config = load_config(HttpConfig, {"base_url": sys.argv[1]}, provider="example", environ={})
        provider = ExampleProvider(config, INFO)
        import airouter_core.transports.awaited

        async def left_early():
            async for _ in provider.astream_execute("m", "hi"):
                break

        for _ in range(3):
            assert asyncio.run(provider.aexecute("m", "hi")) == "hello"
        asyncio.run(left_early())
        threads = [threading.Thread(target=lambda: asyncio.run(provider.aexecute("m", "hi"))) for _ in range(3)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    """
    here = os.path.dirname(__file__)
    url = serve(answers).url
    done = subprocess.run(
        [sys.executable, "-X", "tracemalloc", "-W", "error", "-c", textwrap.dedent(program), url, here],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_first_call_may_be_recorded(serve: Any, tmp_path: Any) -> None:
    """A recorder that is at work while the connections are imported is heard then, and gone when it has gone."""
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RECORDED), serve(answers).url, str(tmp_path / "cassette.yaml")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (told.returncode, told.stdout.split()) == (0, ["hello", "1", "hello", "OurHTTPConnection"]), told.stderr


RECORDED = """
    import sys
    import vcr
    from airouter_core import create_provider
    url, cassette = sys.argv[1:]
    settings = {"base_url": url, "api_key": "sk-0123456789", "api": "chat"}
    with vcr.use_cassette(cassette) as recorded:
        print(create_provider("openai", settings).execute("m", "hi"), len(recorded))
    print(create_provider("openai", settings).execute("m", "hi"))
    from airouter_core.transports.pools import POOLS
    print(POOLS["http"]("localhost").ConnectionCls.__name__)
"""


def test_two_threads_may_make_the_first_calls(serve: Any) -> None:
    """One blocks, one awaits, and both import what they need for it at the same time."""
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(AT_ONCE), serve(answers).url],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (told.returncode, told.stdout.split()) == (0, ["hello", "hello"]), told.stderr


AT_ONCE = """
    import asyncio, sys, threading
    from airouter_core import create_provider
    provider = create_provider("openai", {"base_url": sys.argv[1], "api_key": "sk-0123456789", "api": "chat"})
    together = threading.Barrier(2)
    def blocking():
        together.wait()
        print(provider.execute("m", "hi"))
    def awaiting():
        together.wait()
        print(asyncio.run(provider.aexecute("m", "hi")))
    threads = [threading.Thread(target=which) for which in (blocking, awaiting)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
"""
