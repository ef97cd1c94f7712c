"""Several providers held together."""

from __future__ import annotations

import json
import pathlib
import sys
import threading
import types
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from airouter_core import ProviderManager, hookimpl, read_aliases
from airouter_core.cli.own_files.aliases import set_alias
from airouter_core.config.http import HttpConfig
from airouter_core.errors import ConfigurationError, ConnectionFailedError, ParameterError, UnknownProviderError
from airouter_core.flow.steps import Flow, done
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.provider.facade import Provider
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import Finish, StreamEvent, TextDelta
from airouter_core.values.request import Request


class Fake(Provider[HttpConfig]):
    """Answers with its own address, and lists the models that its key says."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.closed = False

    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        yield TextDelta(f"{self.info.name} at {self.config.base_url}: ")
        yield TextDelta(request.messages[-1].text)
        yield Finish("stop")

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return done(self.listed)

    def listed(self) -> list[ModelInfo]:
        if self.config.api_key == "down":
            raise ConnectionFailedError("is the server running?")
        if MEETING is not None:
            MEETING.wait(120)
        names = (self.config.api_key or "").split(",")
        return [ModelInfo(id=name, name=name.title(), provider=self.info.name) for name in names if name]

    def close(self) -> None:
        self.closed = True


MEETING: threading.Barrier | None = None


@pytest.fixture
def manager() -> Iterator[ProviderManager]:
    module: Any = types.ModuleType("fakes_for_the_manager")
    module.Fake, module.Config = Fake, HttpConfig
    sys.modules["fakes_for_the_manager"] = module
    with ProviderManager(plugins=plugins()) as held:
        yield held
    del sys.modules["fakes_for_the_manager"]


def plugins() -> Plugins:
    def info(name: str, kind: Any, *patterns: str) -> ProviderInfo:
        return ProviderInfo(
            name=name,
            aliases=(f"{name}-alias",),
            target="fakes_for_the_manager:Fake",
            config_target="fakes_for_the_manager:Config",
            kind=kind,
            model_patterns=patterns,
        )

    class Plugin:
        @hookimpl
        def airouter_providers(self) -> Iterable[ProviderInfo]:
            return (
                info("cloud", "cloud", "cloud-*", "shared-*"),
                info("other", "cloud", "shared-*"),
                info("any", "cloud", "*/*"),
                info("router", "cloud"),
                info("local", "local"),
            )

    return Plugins.of(Plugin())


def test_every_way_to_ask(manager: ProviderManager) -> None:
    """Each way that a provider has takes the provider's name first; an alias will do."""
    manager.add_provider("cloud", {"base_url": "http://h"})
    said = "cloud at http://h: hi"
    for name in ("cloud", "cloud-alias"):
        assert manager.execute(name, "m", "hi") == said
        assert "".join(manager.stream_execute(name, "m", "hi")) == said
        assert manager.chat(name, "m", "hi", parameters={}).text == said
        assert manager.stream_chat(name, "m", "hi").read().text == said


def test_two_of_one_kind(manager: ProviderManager) -> None:
    """Two instances of one provider stand under names of their own."""
    manager.add_provider("cloud", {"base_url": "http://one"})
    second = manager.add_provider("cloud", {"base_url": "http://two"}, as_name="second")
    assert manager.names == ("cloud", "second")
    assert manager.execute("second", "m", "hi") == "cloud at http://two: hi"
    assert manager.provider("second") is second
    with pytest.raises(ConfigurationError, match=r"'cloud' already.*as_name="):
        manager.add_provider("cloud-alias")
    assert manager.execute("cloud", "m", "hi") == "cloud at http://one: hi"


def test_who_was_not_added(manager: ProviderManager) -> None:
    """A provider that was not added is an error that says which were, and how to add it."""
    manager.add_provider("cloud")
    for name in ("local", "nonsense"):
        with pytest.raises(
            UnknownProviderError, match=rf"no provider '{name}' was added \(added: cloud\); add_provider"
        ):
            manager.execute(name, "m", "hi")
    with pytest.raises(UnknownProviderError, match="did you mean"):
        manager.add_provider("clod")


def test_removing_closes(manager: ProviderManager) -> None:
    """A provider that is removed is closed and forgotten, and may be added again."""
    provider: Any = manager.add_provider("cloud")
    manager.remove_provider("cloud-alias")
    assert provider.closed
    assert manager.names == ()
    with pytest.raises(UnknownProviderError, match="added: none"):
        manager.remove_provider("cloud")
    manager.add_provider("cloud")


def test_closing_closes_all(manager: ProviderManager) -> None:
    """The manager's block ends all its providers, once."""
    providers: list[Any] = [manager.add_provider("cloud"), manager.add_provider("local")]
    manager.close()
    manager.close()
    assert [provider.closed for provider in providers] == [True, True]


def test_leaving_the_block_closes_all(manager: ProviderManager) -> None:
    """``with ProviderManager() as manager`` ends its providers."""
    with ProviderManager(plugins=plugins()) as held:
        provider: Any = held.add_provider("cloud")
        assert not provider.closed
    assert provider.closed
    assert held.names == ()


def test_a_provider_that_cannot_be_kept_is_closed(manager: ProviderManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the name is taken, the provider made for it is not left open."""
    manager.add_provider("cloud")
    closed: list[Any] = []
    monkeypatch.setattr(Fake, "close", lambda provider: closed.append(provider))
    with pytest.raises(ConfigurationError):
        manager.add_provider("cloud")
    assert len(closed) == 1


# Who answers for a model.


def test_an_address_begins_with_the_providers_name(manager: ProviderManager) -> None:
    """Its name, an alias, or the name it has here; what stands behind the slash is the model, whatever others claim."""
    manager.add_provider("local", {"api_key": "llama"})
    manager.add_provider("cloud")
    manager.add_provider("cloud", as_name="second")
    assert manager.resolve("local/llama") == ("local", "llama")
    assert manager.resolve("local-alias/cloud-7") == ("local", "cloud-7")
    assert manager.resolve("Cloud/a/b") == ("cloud", "a/b")
    assert manager.resolve("second/shared-1") == ("second", "shared-1")
    assert manager.auto_execute("local/m", "hi", "system", {}) == "local at : hi"
    assert manager.auto_chat("local/m", "hi").text == "local at : hi"
    assert manager.auto_stream_chat("local/m", "hi").read().text == "local at : hi"


def test_an_address_of_one_who_is_not_here_is_nobody_elses(manager: ProviderManager) -> None:
    """What was meant for this machine does not go to a cloud that takes anything; the error says how to ask that."""
    manager.add_provider("any")
    with pytest.raises(UnknownProviderError, match=r"'local/llama' means the provider 'local'.*PROVIDER/local/llama$"):
        manager.auto_execute("local/llama", "hi")
    assert manager.resolve("any/local/llama") == ("any", "local/llama")
    assert manager.resolve("maker/model") == ("any", "maker/model")


def test_a_local_provider_that_lists_the_model_comes_first(manager: ProviderManager) -> None:
    """Before any pattern, in whatever order they were added, also for names with a slash."""
    manager.add_provider("any")
    manager.add_provider("local", {"api_key": "maker/llama,cloud-7"})
    manager.add_provider("cloud")
    assert manager.resolve("maker/llama") == ("local", "maker/llama")
    assert manager.select("cloud-7") == manager.select("Cloud-7") == "local"
    assert manager.select("cloud-8") == "cloud"


def test_several_that_could_be_meant_are_named(manager: ProviderManager) -> None:
    """By pattern or by list: nobody is picked, and the error says the addresses to choose from."""
    for name in ("other", "cloud"):
        manager.add_provider(name)
    for name in ("one", "two"):
        manager.add_provider("local", {"api_key": "llama"}, as_name=name)
    with pytest.raises(ConfigurationError, match=r"say which: other/shared-1, cloud/shared-1$"):
        manager.resolve("shared-1")
    with pytest.raises(ConfigurationError, match=r"say which: one/llama, two/llama$"):
        manager.resolve("llama")
    with pytest.raises(ConfigurationError, match="'local' could be any of one, two"):
        manager.resolve("local/llama")


def test_nobody_answers_for_a_model(manager: ProviderManager) -> None:
    """An error that says who is there, and how to name one."""
    with pytest.raises(ConfigurationError, match=r"claims the model 'm' \(there are: none\)"):
        manager.auto_execute("m", "hi")
    manager.add_provider("local", {"api_key": "down"})
    manager.add_provider("other", {"api_key": "mistral"})
    for model in ("mistral", "llama"):
        with pytest.raises(ConfigurationError, match=rf"\(there are: local, other\).*PROVIDER/{model}"):
            manager.select(model)


def test_one_that_cannot_say_what_it_has_is_not_passed_over_for_a_guess(manager: ProviderManager) -> None:
    """A pattern that takes anything does not get what the local one might have; one that knows its models does."""
    manager.add_provider("local", {"api_key": "down"})
    assert manager.select("maker/llama") == "local"  # nobody else can be meant, and its error says what is wrong
    manager.add_provider("any")
    manager.add_provider("cloud")
    assert manager.select("cloud-7") == "cloud"
    with pytest.raises(ConfigurationError, match=r"local cannot list.*local/maker/llama, any/maker/llama"):
        manager.select("maker/llama")


@pytest.mark.parametrize("address", ["", " ", None, 7, "cloud/", "route:"])
def test_what_is_no_address(manager: ProviderManager, address: Any) -> None:
    """It is an error about the address, before anybody is asked."""
    manager.add_provider("cloud")
    manager.add_provider("router")
    with pytest.raises(ParameterError, match=r"address|names no model"):
        manager.resolve(address)


def test_a_route_is_the_routers(manager: ProviderManager) -> None:
    """``route:NAME`` is NAME of the provider called router, where there is one."""
    manager.add_provider("cloud")
    with pytest.raises(UnknownProviderError, match="'route:fast' "):
        manager.resolve("route:fast")
    manager.add_provider("router")
    assert manager.resolve("route:fast") == ("router", "fast")


# All at once.


def test_all_are_asked_at_the_same_time(manager: ProviderManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """No provider waits for another: all are in the middle of answering together."""
    for name in ("one", "two", "three"):
        manager.add_provider("cloud", {"api_key": name}, as_name=name)
    monkeypatch.setattr(sys.modules[__name__], "MEETING", threading.Barrier(3))
    models = manager.list_all_models()
    assert {name: [model.id for model in found] for name, found in models.items()} == {
        "one": ["one"],
        "two": ["two"],
        "three": ["three"],
    }
    assert {info.status for info in manager.get_all_info().values()} == {"available"}


def test_one_that_is_down_costs_only_its_own_entry(manager: ProviderManager, caplog: pytest.LogCaptureFixture) -> None:
    """Its models are none, its state says why, and the log names it; the others are as ever."""
    manager.add_provider("cloud", {"api_key": "a"})
    manager.add_provider("local", {"api_key": "down"})
    models = manager.list_all_models()
    assert [model.id for model in models["cloud"]] == ["a"]
    assert models["local"] == []
    assert "local: models cannot be listed: is the server running?" in caplog.text
    infos = manager.get_all_info()
    assert (infos["cloud"].status, infos["local"].status) == ("available", "unavailable")
    assert infos["local"].problem == "is the server running?"


def test_nobody_to_ask(manager: ProviderManager) -> None:
    """Without providers there is nothing to list."""
    assert manager.list_all_models() == {}
    assert manager.get_all_info() == {}


# From a file.

SETTINGS = {"cloud": {"base_url": "http://one"}, "second": {"provider": "cloud", "base_url": "http://two"}}
TOML = '[cloud]\nbase_url = "http://one"\n\n[second]\nprovider = "cloud"\nbase_url = "http://two"\n'


@pytest.mark.usefixtures("manager")
@pytest.mark.parametrize(("name", "content"), [("p.json", json.dumps(SETTINGS)), ("p.toml", TOML)])
def test_from_a_file(tmp_path: pathlib.Path, name: str, content: str) -> None:
    """A table for each provider, keyed by its name or by one of your own."""
    path = tmp_path / name
    path.write_text(content)
    with ProviderManager.from_config(path, plugins=plugins()) as made:
        assert made.names == ("cloud", "second")
        assert made.execute("second", "m", "hi") == "cloud at http://two: hi"


@pytest.mark.usefixtures("manager")
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.json", "{", "is not valid JSON"),
        ("p.json", "\xff", "is not valid JSON"),
        ("p.toml", "[cloud", "is not valid TOML"),
        ("p.json", "[]", "must hold a table of settings for each provider"),
        ("p.json", '{"cloud": "http://h"}', "must hold a table"),
        ("p.json", '{"clod": {}}', "did you mean 'cloud"),
        ("p.json", '{"cloud": {"base_ulr": "x"}}', "did you mean 'base_url'"),
        ("p.json", '{"mine": {"provider": 7}}', "a provider's name is a string"),
    ],
)
def test_a_file_that_is_wrong(tmp_path: pathlib.Path, name: str, content: str, message: str) -> None:
    """A file that cannot be read, or holds what is no configuration, is an error that says so."""
    path = tmp_path / name
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=message):
        ProviderManager.from_config(path, plugins=plugins())


def test_a_file_that_is_not_there(tmp_path: pathlib.Path) -> None:
    """A missing file is named, with the reason."""
    with pytest.raises(ConfigurationError, match=r"cannot read '.*missing\.json': No such file") as caught:
        ProviderManager.from_config(tmp_path / "missing.json")
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.usefixtures("manager")
def test_a_file_whose_second_table_is_wrong_leaves_nothing_open(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Providers made before the mistake was found are closed."""
    closed: list[Any] = []
    monkeypatch.setattr(Fake, "close", lambda provider: closed.append(provider))
    path = tmp_path / "p.json"
    path.write_text('{"cloud": {}, "nonsense": {}}')
    with pytest.raises(ConfigurationError):
        ProviderManager.from_config(path, plugins=plugins())
    assert len(closed) == 1


def test_aliases_count_where_a_program_says_so(
    manager: ProviderManager, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those it gives stand for addresses; those of the command line are the user's, and no program's by themselves."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    set_alias("fast", "cloud/some")
    manager.add_provider("cloud", {"base_url": "http://h"})
    with pytest.raises(UnknownProviderError):
        manager.resolve("fast")
    with ProviderManager(plugins=plugins(), aliases=read_aliases()) as knowing:
        knowing.add_provider("cloud", {"base_url": "http://h"})
        assert knowing.resolve("fast") == ("cloud", "some")
        assert knowing.auto_execute("fast", "hi") == "cloud at http://h: hi"
