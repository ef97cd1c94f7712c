"""Plugins: loaded one by one; one that is broken harms no other, and what clashes is told."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from airouter_core import hookimpl
from airouter_core.errors import (
    ParameterError,
    PluginConflictError,
    PluginLoadError,
    UnknownProviderError,
)
from airouter_core.plugins.finding import PluginSource
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import Command, Parameter, ProviderInfo
from airouter_core.values.calls import Call
from airouter_core.values.request import Request


def info(name: str, *aliases: str, **more: Any) -> ProviderInfo:
    return ProviderInfo(name=name, aliases=aliases, target="nowhere:Nothing", **more)


def providing(*infos: Any) -> Any:
    """A plugin with these providers."""

    class Plugin:
        @hookimpl
        def airouter_providers(self) -> Iterable[Any]:
            return infos

    return Plugin()


def from_sources(**plugins: Any) -> Plugins:
    """Plugins of distributions with these names; a function loads its plugin, as an entry point does."""

    def loader(item: Any) -> Callable[[], Any]:
        return item if isinstance(item, types.FunctionType) else lambda: item

    return Plugins(
        (PluginSource("plugin", name.replace("_", "-"), "1", f"{name}.plugin"), loader(item))
        for name, item in plugins.items()
    )


GOOD = info("good", "fine", "OK")


# What they declare.


def test_providers_by_name_and_alias() -> None:
    """A provider is found by its name, its aliases and its qualified name, whatever the case and the spaces around."""
    plugins = from_sources(dist_a=providing(GOOD, info("another")))
    assert [found.name for found in plugins.providers()] == ["another", "good"]
    for name in ("good", "fine", "ok", "OK", " Good ", "dist-a:good", "Dist-A:Good"):
        assert plugins.provider(name) == msgspec.structs.replace(GOOD, distribution="dist-a")
    assert plugins.problems == ()
    assert [source.distribution for source in plugins.sources] == ["dist-a"]


def test_no_plugins() -> None:
    """Without plugins there is no provider, and the error says what to install."""
    plugins = Plugins()
    assert plugins.providers() == []
    with pytest.raises(UnknownProviderError, match=r"none is installed.*pip install airouter-good"):
        plugins.provider("good")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("goood", "did you mean 'good'"),
        ("Gud", "installed are another, good.*pip install airouter-gud"),
        ("my.new-provider", r"pip install airouter-mynewprovider \(if there is one; ours are airouter-"),
        ("llama-cpp", "It is a package of its own: pip install airouter-llamacpp$"),
        ("good/model/x", r"^'good/model/x' is the address of a model, no provider: .* 'good', its model 'model/x'$"),
        ("nobody/model", r"installed are another, good"),
        ("", "no provider is called ''"),
        (None, "a provider's name is a string, not NoneType"),
    ],
)
def test_unknown_providers(name: Any, message: str) -> None:
    """An unknown name is an error that suggests one, or says what is installed and what to install."""
    plugins = from_sources(dist_a=providing(GOOD, info("another")))
    with pytest.raises(UnknownProviderError, match=message):
        plugins.provider(name)


def test_a_provider_of_ours_that_is_not_installed_is_no_misspelling() -> None:
    """However much its name is like that of one which is."""
    plugins = from_sources(dist_a=providing(info("ollamas")))
    with pytest.raises(UnknownProviderError, match=r"pip install airouter-ollama$"):
        plugins.provider("ollama")


def test_parameters_and_commands_of_plugins() -> None:
    """A plugin adds parameters to those providers it means, and commands; each knows where it came from."""

    class Plugin:
        @hookimpl
        def airouter_parameters(self, provider: str) -> Iterable[Parameter]:
            return (Parameter("mirostat", "integer"),) if provider == "good" else ()

        @hookimpl
        def airouter_commands(self) -> Iterable[Command]:
            return (Command(name="hello", target="somewhere:hello"),)

    plugins = from_sources(dist_a=Plugin(), dist_b=providing(GOOD))
    assert plugins.parameters("good").find("mirostat").kind == "integer"
    assert plugins.parameters("good") is plugins.parameters("good")
    with pytest.raises(ParameterError, match="unknown parameter"):
        plugins.parameters("another").find("mirostat")
    assert [(command.name, command.distribution) for command in plugins.commands()] == [("hello", "dist-a")]


def test_two_plugins_that_give_one_spelling_two_meanings() -> None:
    """Whoever uses that provider is told of the conflict; others are not concerned."""

    class Clashing:
        @hookimpl
        def airouter_parameters(self, provider: str) -> Iterable[Parameter]:
            return (Parameter("warmth", "number", ("temp",)),) if provider == "good" else ()

    plugins = from_sources(dist_a=Clashing(), dist_b=providing(GOOD))
    with pytest.raises(PluginConflictError, match="'temp' of 'warmth' already belongs to 'temperature'"):
        plugins.parameters("good")
    assert plugins.parameters("another").find("temp").name == "temperature"


# What is broken.


def import_error() -> Any:
    raise ImportError("no module named 'torch'")


def system_exit() -> Any:
    raise SystemExit("this plugin needs Linux")


class WrongSignature:
    @hookimpl
    def airouter_admit_call(self, request: Any) -> None: ...


class UnknownHook:
    @hookimpl
    def airouter_on_token(self, token: str) -> None: ...


class RaisingHook:
    @hookimpl
    def airouter_providers(self) -> Iterable[ProviderInfo]:
        raise KeyError("broken inside")


class RaisingCommands:
    @hookimpl
    def airouter_commands(self) -> Iterable[Command]:
        raise RuntimeError("broken inside")


class WrongCommands:
    @hookimpl
    def airouter_commands(self) -> Iterable[Any]:
        return ("hello",)


def raising_at_declaration() -> Any:
    return providing(info("Not A Name"))


def aliases_in_a_string() -> Any:
    return providing(ProviderInfo(name="bad", aliases="gpt", target="a:B"))  # type: ignore[arg-type]  # the point


def version_as_number() -> Any:
    return providing(ProviderInfo(name="bad", target="a:B", interface_version=1))  # type: ignore[arg-type]  # the point


BROKEN: list[tuple[Any, str]] = [
    (import_error, "cannot be loaded: ImportError: no module named 'torch'"),
    (system_exit, "cannot be loaded: SystemExit: this plugin needs Linux"),
    (WrongSignature(), "airouter_admit_call"),
    (UnknownHook(), "unknown hook 'airouter_on_token'"),
    (RaisingHook(), "cannot be loaded: KeyError: 'broken inside'"),
    (RaisingCommands(), "cannot be loaded: RuntimeError: broken inside"),
    (WrongCommands(), "declares 'hello', which is no Command"),
    (providing({"name": "good"}), "declares {'name': 'good'}, which is no ProviderInfo"),
    (providing("good"), "declares 'good', which is no ProviderInfo"),
    (lambda: providing(*info("bad")), "declares 'name', which is no ProviderInfo"),
    (raising_at_declaration, "name must look like 'my-provider', not 'Not A Name'"),
    (aliases_in_a_string, "aliases must be"),
    (version_as_number, "interface_version must be"),
    (providing(info("bad", interface_version="2.0")), "made for version 2.0 of the interface, this is 1.0"),
    (providing(info("bad", interface_version="0.9")), "made for version 0.9 of the interface"),
]


@pytest.mark.parametrize(("broken", "message"), BROKEN, ids=[row[1] for row in BROKEN])
def test_a_broken_plugin_harms_no_other(broken: Any, message: str) -> None:
    """A plugin that is broken in any way is named with a cure, and everything else goes on."""
    plugins = from_sources(dist_bad=broken, dist_a=providing(GOOD))
    (problem,) = plugins.problems
    assert problem.source.distribution == "dist-bad"
    assert message in problem.message
    assert str(problem).startswith("dist-bad: ")
    assert problem.cure
    assert [found.name for found in plugins.providers()] == ["good"]
    assert plugins.provider("good").distribution == "dist-a"
    assert plugins.commands() == []
    assert plugins.parameters("good").find("temp").name == "temperature"
    assert [source.distribution for source in plugins.sources] == ["dist-a"]


def test_the_cure_of_an_old_or_new_plugin() -> None:
    """Of two versions of the interface the older one is upgraded."""
    old = from_sources(old_one=providing(info("bad", interface_version="0.9")))
    new = from_sources(new_one=providing(info("bad", interface_version="2.0")))
    assert old.problems[0].cure == "upgrade old-one"
    assert new.problems[0].cure == "upgrade airouter-core"


@pytest.mark.parametrize("name", ["llama-x", "llamax", "llama.x", "Llama_X", "airouter-llamax"])
def test_whoever_asks_for_a_broken_plugin_is_told(name: str) -> None:
    """Asking for the provider of a plugin that did not load says so, with the cause, however its name is written."""
    plugins = Plugins([(PluginSource("llamax", "airouter-llamax", "1", "x"), import_error)])
    with pytest.raises(
        PluginLoadError, match=r"airouter-llamax: cannot be loaded.*AIROUTER_DISABLED_PLUGINS"
    ) as caught:
        plugins.provider(name)
    assert isinstance(caught.value.__cause__, PluginLoadError)
    assert isinstance(caught.value.__cause__.__cause__, ImportError)


def test_whoever_asks_for_a_provider_of_another_interface_is_told() -> None:
    """A provider made for another interface is known by its name and aliases."""
    plugins = from_sources(dist_bad=providing(info("bad", "worse", interface_version="2.0")))
    for name in ("bad", "worse"):
        with pytest.raises(PluginLoadError, match=r"version 2\.0"):
            plugins.provider(name)


def test_broken_parameters_harm_no_other() -> None:
    """A plugin whose parameters cannot be had is named, and the others' parameters are there."""

    class Broken:
        @hookimpl
        def airouter_parameters(self, provider: str) -> Iterable[Parameter]:
            raise KeyError("broken inside")

    class Wrong:
        @hookimpl
        def airouter_parameters(self, provider: str) -> Iterable[Any]:
            return ("mirostat",)

    class Right:
        @hookimpl
        def airouter_parameters(self, provider: str) -> Iterable[Parameter]:
            return (Parameter("mirostat", "integer"),)

    plugins = from_sources(dist_bad=Broken(), dist_wrong=Wrong(), dist_a=Right(), dist_b=providing(GOOD))
    assert plugins.parameters("good").find("mirostat").name == "mirostat"
    assert plugins.parameters("good").find("temp").name == "temperature"
    assert sorted(problem.source.distribution for problem in plugins.problems) == ["dist-bad", "dist-wrong"]


# What clashes.


def test_two_providers_of_one_name() -> None:
    """A name that two distributions claim goes to neither; each is reached by its qualified name."""
    plugins = from_sources(dist_a=providing(info("good", "fine")), dist_b=providing(info("good", "nice")))
    with pytest.raises(PluginConflictError, match=r"'good', which dist-a declares too.*ask for 'dist-b:good'"):
        plugins.provider("good")
    assert plugins.provider("dist-a:good").distribution == "dist-a"
    assert plugins.provider("dist-b:good").distribution == "dist-b"
    assert plugins.provider("fine").distribution == "dist-a"
    assert plugins.provider("nice").distribution == "dist-b"
    assert [problem.names for problem in plugins.problems] == [("good",)]


def test_two_providers_of_one_alias() -> None:
    """An alias that two claim goes to neither; their names are not concerned."""
    plugins = from_sources(dist_a=providing(info("one", "both")), dist_b=providing(info("two", "both")))
    with pytest.raises(PluginConflictError, match="'both'"):
        plugins.provider("both")
    assert plugins.provider("one").distribution == "dist-a"
    assert plugins.provider("two").distribution == "dist-b"


def test_three_claims_are_a_clash_too() -> None:
    """A third claim does not make a name anybody's again."""
    plugins = from_sources(**{f"dist_{letter}": providing(info("good")) for letter in "abc"})
    with pytest.raises(PluginConflictError):
        plugins.provider("good")
    assert len(plugins.problems) == 2
    assert plugins.provider("dist-c:good").distribution == "dist-c"


@pytest.mark.parametrize("names", [("dist_a", "dist_b"), ("dist_b", "dist_a")])
def test_a_name_is_stronger_than_an_alias(names: tuple[str, str]) -> None:
    """An alias that is another's canonical name is not had; the other keeps it, whoever comes first."""
    plugins_by_name = {"dist_a": providing(info("good")), "dist_b": providing(info("other", "good"))}
    plugins = from_sources(**{name: plugins_by_name[name] for name in names})
    assert plugins.provider("good").distribution == "dist-a"
    assert plugins.provider("other").distribution == "dist-b"
    (problem,) = plugins.problems
    assert problem.source.distribution == "dist-b"


def test_an_alias_may_repeat_the_name() -> None:
    """A provider that names itself among its aliases clashes with nobody."""
    plugins = from_sources(dist_a=providing(info("good", "good", "Good", "fine", "fine")))
    assert plugins.problems == ()
    assert plugins.provider("fine").name == "good"


def test_a_plugin_without_hooks_is_told() -> None:
    """In a class of its module nobody finds them, and it would be silent for ever."""

    class Plugin:
        @hookimpl
        def airouter_call_started(self, call: Any) -> None: ...

    module = types.ModuleType("mine")
    module.Plugin = Plugin  # type: ignore[attr-defined]  # as a module has it
    plugins = Plugins.of(module)
    assert plugins.sources == ()
    assert ["has no hooks; mark functions of" in str(problem) for problem in plugins.problems] == [True]


def test_a_module_given_as_a_plugin_is_named_by_its_name() -> None:
    """Not by its kind: two modules are two plugins, and a problem says which."""
    first, second = types.ModuleType("first_module"), types.ModuleType("second_module")
    first.airouter_call_started = second.airouter_call_started = hookimpl(lambda call: None)  # type: ignore[attr-defined]  # as a module has it
    plugins = Plugins.of(first, second)
    assert [source.name for source in plugins.sources] == ["first_module", "second_module"]


def test_a_plugin_given_twice_stays_in_use_and_the_second_is_named_as_a_problem() -> None:
    plugin = providing(info("one"))

    plugins = Plugins.of(plugin).plus(plugin)

    assert [found.name for found in plugins.providers()] == ["one"]
    assert len(plugins.sources) == 1
    assert "already registered" in str(plugins.problems[0])
    assert [found.name for found in plugins.plus().providers()] == ["one"]


def test_a_plugin_that_is_refused_leaves_no_hooks_behind() -> None:
    seen: list[str] = []

    class Broken:
        @hookimpl
        def airouter_providers(self) -> Iterable[Any]:
            return ["no provider"]

        @hookimpl
        def airouter_admit_call(self, call: Call) -> None:
            seen.append(call.provider)

    plugins = Plugins.of(Broken())
    plugins.admit(Call("one", Request(model="m", messages=()), stream=False))

    assert plugins.problems
    assert seen == []


def test_the_first_place_for_notes_is_the_one() -> None:
    """A plugin that is not configured offers none; the next one is asked, with its own table."""

    class Off:
        @hookimpl
        def airouter_shared_notes(self) -> None:
            return None

    class On:
        @hookimpl
        def airouter_shared_notes(self, settings: Any) -> Any:
            return settings["place"]

    plugins = Plugins.of(Off(), On())
    assert plugins.with_settings({"On": {"place": "here"}}).shared_notes() == "here"
    assert Plugins.of(Off()).shared_notes() is None
