"""Plugins: found, loaded one by one, asked in a fixed order; one that is broken harms no other."""

from __future__ import annotations

import logging
import pathlib
import sys
import types
import zipfile
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import PathFinder
from typing import Any

import importlib_metadata
import msgspec
import pytest

from airouter_core import hookimpl
from airouter_core.config.provider import ProviderConfig
from airouter_core.errors import (
    AirouterError,
    CallVetoedError,
    ParameterError,
    PluginConflictError,
    PluginLoadError,
    ProtocolError,
    UnknownProviderError,
)
from airouter_core.flow.steps import Flow, done
from airouter_core.plugins import finding
from airouter_core.plugins.finding import PluginSource
from airouter_core.plugins.registry import Plugins, installed
from airouter_core.profile.declarations import Command, Parameter, ProviderInfo
from airouter_core.provider.facade import Provider
from airouter_core.values.calls import Call, Outcome
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import Finish, StreamEvent, TextDelta
from airouter_core.values.messages import Message
from airouter_core.values.request import Request
from airouter_core.values.response import Response


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


# Discovery.


Install = Callable[..., pathlib.Path]


@pytest.fixture(params=["folders", "library"])
def install(request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Lay a distribution beside others on the path, which holds nothing else; found in each of the two ways."""
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second"), *sys.path])
    monkeypatch.setattr(finding, "only_plain_folders", lambda: request.param == "folders")
    known = {source.distribution for source in finding.read_by_library()}

    def ours_alone(read: Callable[[], Iterable[PluginSource]]) -> Callable[[], list[PluginSource]]:
        return lambda: [source for source in read() if source.distribution not in known]

    monkeypatch.setattr(finding, "read_from_folders", ours_alone(finding.read_from_folders))
    monkeypatch.setattr(finding, "read_by_library", ours_alone(finding.read_by_library))

    def laid(
        name: str, entry_points: str | None, *, version: str = "1.0", folder: str = "first", ending: str = "dist-info"
    ) -> pathlib.Path:
        metadata = tmp_path / folder / f"{name.replace('-', '_')}-{version}.{ending}"
        metadata.mkdir(parents=True)
        file = "METADATA" if ending == "dist-info" else "PKG-INFO"
        (metadata / file).write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: x\n")
        if entry_points is not None:
            (metadata / "entry_points.txt").write_text(entry_points)
        return metadata

    return laid


@pytest.fixture
def kept(install: Install, tmp_path: pathlib.Path) -> Iterator[None]:
    """A plugin beside the one that a test is about."""
    install("airouter-kept", "[airouter]\nkept = kept_for_a_test\n")
    (tmp_path / "first" / "kept_for_a_test.py").write_text(
        "from airouter_core import hookimpl\n@hookimpl\ndef airouter_call_started(call): ...\n"
    )
    yield
    sys.modules.pop("kept_for_a_test", None)


def found() -> list[tuple[str, str, str | None, str]]:
    return [
        (source.name, source.distribution, source.version, source.target) for source, _ in finding.installed_plugins()
    ]


def test_what_is_installed_is_found(install: Install) -> None:
    """Each entry point of the group, with its distribution as pip names it; other groups and comments are not ours."""
    text = (
        "[console_scripts]\nother = other:main\n\n"
        "[airouter]\n# good = bad.plugin\ngood = good.plugin\n  two=good.more : thing.inner [extra]\n"
        "\n[airouter.x]\nno = no\n"
    )
    install("Airouter-Good", text)
    install("older", "[airouter]\nold = old.plugin\n", ending="egg-info")
    install("without", None)
    assert found() == [
        ("good", "Airouter-Good", "1.0", "good.plugin"),
        ("two", "Airouter-Good", "1.0", "good.more : thing.inner [extra]"),
        ("old", "older", "1.0", "old.plugin"),
    ]


def test_the_first_of_two_on_the_path_counts(install: Install) -> None:
    """A checkout beside its installed metadata, also where the first has lost its entry points."""
    install("airouter-twice", "[airouter]\ngood = new.plugin\n", version="2.0")
    install("Airouter_Twice", "[airouter]\ngood = old.plugin\n", folder="second")
    install("airouter-lost", None)
    install("airouter-lost", "[airouter]\nlost = lost.plugin\n", version="0.1", folder="second")
    assert found() == [("good", "airouter-twice", "2.0", "new.plugin")]


def test_what_an_entry_point_names_is_loaded(install: Install, tmp_path: pathlib.Path) -> None:
    """A module, or an object in one; one that fails is a problem, and the others go on."""
    code = (
        "from airouter_core import ProviderInfo, hookimpl\n"
        "class Plugin:\n"
        "    @hookimpl\n"
        "    def airouter_providers(self): return [ProviderInfo(name='laid', target='m:C')]\n"
        "class Holder: plugin = Plugin()\n"
    )
    install("airouter-laid", "[airouter]\nlaid = laid_out_for_a_test:Holder.plugin [x]\nbad = not_there_at_all\n")
    (tmp_path / "first" / "laid_out_for_a_test.py").write_text(code)
    plugins = Plugins.discover({})
    assert [known.name for known in plugins.providers()] == ["laid"]
    assert plugins.provider("laid").distribution == "airouter-laid"
    assert ["ModuleNotFoundError" in problem.message for problem in plugins.problems] == [True]
    sys.modules.pop("laid_out_for_a_test")


@pytest.mark.parametrize("value", ["airouter-good", "good", " Airouter_Good , other", "bad,airouter.good"])
@pytest.mark.usefixtures("kept")
def test_plugins_are_disabled_by_the_environment(install: Install, value: str) -> None:
    """``AIROUTER_DISABLED_PLUGINS`` names distributions or entry points: not loaded, nor said to be missing."""
    install("airouter-good", "[airouter]\ngood = not_there_at_all\n")
    plugins = Plugins.discover({"AIROUTER_DISABLED_PLUGINS": value})
    assert plugins.problems == ()
    assert [source.name for source in plugins.sources] == ["kept"]
    with pytest.raises(UnknownProviderError, match="is disabled: take airouter-good out of the variable"):
        plugins.plus().provider("good")


@pytest.mark.usefixtures("kept")
def test_an_empty_variable_disables_nothing() -> None:
    """Blanks and commas name nobody."""
    assert len(Plugins.discover({"AIROUTER_DISABLED_PLUGINS": " , "}).sources) == 1


def test_both_ways_of_reading_agree_here() -> None:
    """What is read from plain folders is what ``importlib_metadata`` finds in this environment."""
    read = [*finding.read_from_folders()]
    assert read
    assert sorted(read, key=repr) == sorted(finding.read_by_library(), key=repr)


def test_what_is_not_in_plain_folders_is_asked_of_the_library(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip file on the path, an egg, or a finder of somebody's own."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "nowhere")])
    finders = [PathFinder, importlib_metadata.MetadataPathFinder()]
    monkeypatch.setattr(sys, "meta_path", finders)
    assert finding.only_plain_folders()
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("packed-1.0.dist-info/METADATA", "Name: packed\nVersion: 1.0\n")
        archive.writestr("packed-1.0.dist-info/entry_points.txt", "[airouter]\npacked = packed.plugin\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "packed.zip")])
    assert not finding.only_plain_folders()
    assert found() == [("packed", "packed", "1.0", "packed.plugin")]
    monkeypatch.setattr(sys, "path", [str(tmp_path / "some.egg")])
    assert not finding.only_plain_folders()

    class Finder:
        def find_distributions(self, context: Any) -> Any: ...

    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [*finders, Finder()])
    assert not finding.only_plain_folders()


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


def test_the_installed_plugins_are_discovered_once() -> None:
    """What is installed is looked for once in a process."""
    assert installed() is installed()


# The order of a call.


class Local(Provider[ProviderConfig]):
    """A provider without HTTP that writes down when it is asked and when it is left."""

    def __init__(self, plugins: Plugins, log: list[str], error: AirouterError | None = None) -> None:
        super().__init__(ProviderConfig(), info("local"), plugins)
        self._log = log
        self._error = error

    def events(self, request: Request, *, stream: bool) -> Any:
        return self._events()

    def _events(self) -> Iterable[StreamEvent]:
        self._log.append("provider asked")
        try:
            yield TextDelta("a")
            if self._error is not None:
                raise self._error
            yield TextDelta("b")
            yield Finish("stop")
        finally:
            self._log.append("provider left")

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return done(self.listed)

    def listed(self) -> list[ModelInfo]:
        return []


def observing(name: str, log: list[str], **behaviour: Any) -> Any:
    """A plugin that writes down what it is told, and behaves as told."""

    class Observer:
        @hookimpl
        def airouter_admit_call(self, call: Call) -> None:
            log.append(f"{name} admits")
            if error := behaviour.get("veto"):
                raise error

        @hookimpl
        def airouter_call_started(self, call: Call) -> None:
            log.append(f"{name} started")
            call.notes[name] = "seen"
            if behaviour.get("fails"):
                raise ValueError(f"{name} is broken")

        @hookimpl
        def airouter_answer_call(self, call: Call) -> Response | None:
            log.append(f"{name} may answer")
            if error := behaviour.get("answer_error"):
                raise error
            answer: Response | None = behaviour.get("answer")
            return answer

        @hookimpl
        def airouter_call_ended(self, call: Call, outcome: Outcome) -> None:
            assert call.notes[name] == "seen"
            how = "cancelled" if outcome.cancelled else type(outcome.error).__name__ if outcome.error else "complete"
            log.append(f"{name} ended: {how} {outcome.response.text!r}")
            if behaviour.get("fails"):
                raise ValueError(f"{name} is broken")

    return Observer()


def local(log: list[str], *plugins: Any, error: AirouterError | None = None) -> Local:
    return Local(Plugins.of(*plugins), log, error)


def test_the_order_of_a_call() -> None:
    """Admitted, started, not answered by a plugin, asked, left, ended; the plugin given last comes first."""
    log: list[str] = []
    provider = local(log, observing("one", log), observing("two", log))
    with provider.stream_chat("m", "hi") as stream:
        for event in stream:
            log.append(f"read {type(event).__name__}")
    assert log == [
        "two admits",
        "one admits",
        "two started",
        "one started",
        "two may answer",
        "one may answer",
        "provider asked",
        "read TextDelta",
        "read TextDelta",
        "read Finish",
        "provider left",
        "two ended: complete 'ab'",
        "one ended: complete 'ab'",
    ]


def test_hooks_may_ask_to_be_first() -> None:
    """``tryfirst`` and ``trylast`` put observers in the same order as all others."""
    log: list[str] = []

    class First:
        @hookimpl(tryfirst=True)
        def airouter_admit_call(self) -> None:
            log.append("first admits")

        @hookimpl(tryfirst=True)
        def airouter_call_started(self) -> None:
            log.append("first started")

    local(log, First(), observing("one", log)).chat("m", "hi")
    assert log[:4] == ["first admits", "one admits", "first started", "one started"]


def test_the_order_when_a_reader_stops() -> None:
    """Leaving early frees the provider, then tells how it ended; once, also when it is left twice."""
    log: list[str] = []
    stream = local(log, observing("one", log)).stream_chat("m", "hi")
    assert log == []
    next(stream)
    stream.close()
    stream.close()
    assert log == [
        "one admits",
        "one started",
        "one may answer",
        "provider asked",
        "provider left",
        "one ended: cancelled 'a'",
    ]
    assert stream.partial.text == "a"


def test_a_stream_that_nobody_reads_has_not_begun() -> None:
    """Closing a stream unread tells nobody, since nothing began."""
    log: list[str] = []
    local(log, observing("one", log)).stream_chat("m", "hi").close()
    assert log == []


def test_the_order_when_the_provider_fails() -> None:
    """An error reaches the caller after everybody was told, with what had come before it."""
    log: list[str] = []
    with pytest.raises(ProtocolError) as caught:
        local(log, observing("one", log), error=ProtocolError("broken")).chat("m", "hi")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "a"
    assert log[-2:] == ["provider left", "one ended: ProtocolError 'a'"]


def test_the_order_when_a_plugin_refuses() -> None:
    """A refused call has not begun: nobody else is asked, and nobody is told of an end."""
    log: list[str] = []
    provider = local(log, observing("one", log), observing("two", log, veto=CallVetoedError("over budget")))
    with pytest.raises(CallVetoedError, match="over budget"):
        provider.chat("m", "hi")
    assert log == ["two admits"]


def test_the_order_when_a_plugin_answers() -> None:
    """The first answer wins, the provider is not asked, and a reader gets the answer as events."""
    log: list[str] = []
    answer = Response(message=Message.assistant("cached"), finish_reason="stop", model="m", warnings=("old",))
    provider = local(log, observing("one", log), observing("two", log, answer=answer))
    response = provider.chat("m", "hi")
    assert (response.text, response.model, response.provider, response.warnings) == ("cached", "m", "local", ("old",))
    assert log == [
        "two admits",
        "one admits",
        "two started",
        "one started",
        "two may answer",
        "two ended: complete 'cached'",
        "one ended: complete 'cached'",
    ]
    assert list(provider.stream_execute("m", "hi")) == ["cached"]


def test_the_order_when_answering_fails() -> None:
    """An exception while answering fails the call, and ends what was started."""
    log: list[str] = []
    provider = local(log, observing("one", log, answer_error=ZeroDivisionError("cache is broken")))
    with pytest.raises(ZeroDivisionError):
        provider.chat("m", "hi")
    assert log == ["one admits", "one started", "one may answer", "one ended: ZeroDivisionError ''"]


def test_an_observer_that_fails_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """An observer's exception is logged, loudly and with its plugin; the call and all other observers go on."""
    caplog.set_level(logging.ERROR, logger="airouter.plugins")
    log: list[str] = []
    response = local(log, observing("one", log), observing("two", log, fails=True)).chat("m", "hi")
    assert response.text == "ab"
    assert log[-2:] == ["two ended: complete 'ab'", "one ended: complete 'ab'"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "failed in airouter_call_started" in caplog.text
    assert "ValueError: two is broken" in caplog.text


def test_an_interrupt_ends_the_call_as_cancelled() -> None:
    """Ctrl-C while reading is the reader stopping, and is not swallowed."""
    log: list[str] = []
    provider = local(log, observing("one", log), error=KeyboardInterrupt())  # type: ignore[arg-type]  # the point
    with pytest.raises(KeyboardInterrupt):
        provider.chat("m", "hi")
    assert log[-1] == "one ended: cancelled 'a'"


def test_what_hooks_see_of_a_call() -> None:
    """A call knows its provider, its request with checked parameters, and whether somebody reads along."""
    seen: list[Call] = []
    ended: list[Outcome] = []

    class Plugin:
        @hookimpl
        def airouter_call_started(self, call: Call) -> None:
            seen.append(call)

        @hookimpl
        def airouter_call_ended(self, outcome: Outcome) -> None:
            ended.append(outcome)

    provider = local([], Plugin())
    provider.chat("m", "hi")
    list(provider.stream_chat("m", "hi"))
    assert [(call.provider, call.request.model, call.stream) for call in seen] == [
        ("local", "m", False),
        ("local", "m", True),
    ]
    assert all(outcome.seconds >= 0 and outcome.response.finish_reason == "stop" for outcome in ended)


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
