"""Programs: how they are found and asked, what they are told, and how they are reached through WSL."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from airouter_core import create_provider, validate_provider_config
from airouter_core.errors import ConfigurationError, ParameterError
from airouter_llamacpp.config import LlamaCppConfig
from airouter_llamacpp.engines.memory import needed_memory, shortage
from airouter_llamacpp.programs.flags import arguments, checked_flags
from airouter_llamacpp.programs.program import Program, Programs, flags_in, inspected
from airouter_llamacpp.programs.system import System, is_wsl, system_for, to_linux, to_windows
from airouter_llamacpp.provider import LlamaCppProvider
from airouter_llamacpp.settings import EngineSettings

from .conftest import GREEDY, TOY, MakeProvider, needs_programs

NEW = """----- common params -----

-h,    --help, --usage                  print usage and exit
-t,    --threads N                      number of CPU threads to use during generation (default: <num_cpus>)
-m,    --model FNAME                    model path to load
-c,    --ctx-size N                     size of the prompt context
-fa,   --flash-attn [on|off|auto]       set Flash Attention use ('on', 'off', or 'auto', default: 'auto')
-lm,   --load-mode MODE                 model loading mode (default: auto)
                                        - mmap: memory-map model
-ngl,  --gpu-layers, --n-gpu-layers N   max. number of layers to store in VRAM, either an exact number,
                                        'auto', or 'all' (default: auto)
-ot,   --override-tensor <tensor name pattern>=<buffer type>,...
                                        override tensor buffer type
--control-vector-layer-range START END
                                        layer range to apply the control vector(s) to
--lora FNAME                            path to LoRA adapter
--lora-scaled FNAME:SCALE,...           path to LoRA adapter with user defined scaling
-cb,   --cont-batching, -nocb, --no-cont-batching
                                        whether to enable continuous batching
-e,    --escape, --no-escape            whether to process escapes sequences
-b,    --batch-size N                   logical maximum batch size
-ctk,  --cache-type-k TYPE              KV cache data type for K
                                        (env: LLAMA_ARG_CACHE_TYPE_K)
--media-path PATH                       folder of media (env: A_NEW_VARIABLE)
--spec-draft-model, -md FNAME           draft model for speculative decoding (default: unused)
--spec-type none,draft-simple,draft-eagle3
                                        types of speculative decoding to use (default: none)
--draft-max N                           the argument has been removed. use --spec-draft-n-max
"""
OLD = """----- common params -----

-h,    --help, --usage                  print usage and exit
-t,    --threads N                      number of threads to use during generation (default: -1)
-m,    --model FNAME                    model path
-c,    --ctx-size N                     size of the prompt context
-fa,   --flash-attn                     enable Flash Attention (default: disabled)
--mlock                                 force system to keep model in RAM rather than swapping or compressing
--no-mmap                               do not memory-map model (slower load)
-ngl,  --gpu-layers, --n-gpu-layers N   number of layers to store in VRAM
--lora FNAME                            path to LoRA adapter
--lora-scaled FNAME SCALE               path to LoRA adapter with user defined scaling
-b,    --batch-size N                   logical maximum batch size
"""
PLAIN = EngineSettings(id="m", path="/models/m.gguf", size=1000, context=512)


def program(text: str, name: str = "llama-server", system: System | None = None) -> Program:
    return Program(f"/bin/{name}", system or System(), "4242 (abc)", flags_in(text))


def test_a_help_text_is_read() -> None:
    """All spellings of a flag are known, and how many words follow each."""
    flags = flags_in(NEW)
    assert {name: flags[name].values for name in ("-fa", "--flash-attn", "--n-gpu-layers", "-nocb", "--no-escape")} == {
        "-fa": 1,
        "--flash-attn": 1,
        "--n-gpu-layers": 1,
        "-nocb": 0,
        "--no-escape": 0,
    }
    assert flags["--control-vector-layer-range"].values == 2
    assert flags["-ot"].values == 1
    assert "'all'" in flags["-ngl"].text
    assert flags_in(OLD)["--flash-attn"].values == 0
    assert program(NEW).build == 4242
    assert attrs.evolve(program(NEW), version="0.7.0 (build 11669, commit Debian)").build == 11669
    assert attrs.evolve(program(NEW), version="unknown").build is None


@pytest.mark.parametrize(
    ("settings", "new", "old"),
    [
        ({}, [], []),
        ({"flash_attention": "on"}, ["--flash-attn", "on"], ["--flash-attn"]),
        ({"flash_attention": "off"}, ["--flash-attn", "off"], []),
        ({"flash_attention": "auto"}, ["--flash-attn", "auto"], []),
        ({"load_mode": "mmap"}, ["--load-mode", "mmap"], []),
        ({"load_mode": "auto"}, ["--load-mode", "auto"], []),
        ({"load_mode": "mlock"}, ["--load-mode", "mlock"], ["--mlock", "--no-mmap"]),
        ({"load_mode": "mmap+mlock"}, ["--load-mode", "mmap+mlock"], ["--mlock"]),
        ({"load_mode": "none"}, ["--load-mode", "none"], ["--no-mmap"]),
        ({"flash_attention": None}, [], []),
        ({"gpu_layers": "all"}, ["--gpu-layers", "all"], ["--gpu-layers", "999"]),
        ({"gpu_layers": 7}, ["--gpu-layers", "7"], ["--gpu-layers", "7"]),
        ({"lora": (("/a b", 1),)}, ["--lora", "/a b"], ["--lora", "/a b"]),
        ({"lora": (("/a", 0.5),)}, ["--lora-scaled", "/a:0.5"], ["--lora-scaled", "/a", "0.5"]),
    ],
)
def test_flags_follow_the_build(settings: dict[str, Any], new: list[str], old: list[str]) -> None:
    """What a setting becomes depends on what the program knows."""
    start = ["--model", "/models/m.gguf", "--ctx-size", "512"]
    wanted = attrs.evolve(PLAIN, **settings)
    assert arguments(wanted, program(NEW)) == start + new
    assert arguments(wanted, program(OLD)) == start + old


def test_a_setting_that_a_build_does_not_know_is_named() -> None:
    """Nothing is left out in silence."""
    with pytest.raises(ConfigurationError, match=r"/bin/llama-server \(4242 \(abc\)\) has no flag --cache-type-k"):
        arguments(attrs.evolve(PLAIN, cache_type_k="q8_0"), program(OLD))


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["-t", "-1", "--no-escape"],
        ["--control-vector-layer-range", "-3", "--7"],
        ["-ot", "--strange=CPU"],
        ["-b", "-1"],
    ],
)
def test_special_flags_pass_as_they_are(flags: list[str]) -> None:
    """Values may look like flags; only flags are looked at."""
    assert checked_flags(flags, program(NEW)) == flags


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--thread", "1"], "has no flag '--thread'; did you mean --threads?"),
        (["--threads=1"], "two words"),
        (["-m", "x"], "-m is set by model="),
        (["--port", "1"], "the setting port"),
        (["--threads", "1", "--host", "0.0.0.0"], "keeps to the loopback"),
        (["--thr\0ead"], "NUL"),
        (["-fa"], r"-fa needs a value \(\[on\|off\|auto\]\)"),
        (["--flash-attn", "--threads", "1"], "--flash-attn needs a value"),
        (["--threads 1"], "two words: '--threads'"),
        (["--control-vector-layer-range", "1"], "needs a value"),
        (["--log-disable"], "reads the log"),
        (["-lv", "0"], "reads the log"),
        (["--ssl-key-file", "k"], "stays on this machine"),
        (["--gpt-oss-20b-default"], "set by model="),
        (["--draft-max", "3"], "removed. use --spec-draft-n-max"),
    ],
)
def test_special_flags_are_checked(flags: list[str], says: str) -> None:
    """An unknown flag is named, with the one that may have been meant; some are not the caller's."""
    with pytest.raises(ParameterError, match=says):
        checked_flags(flags, program(NEW))


def test_llama_cli_keeps_more_to_itself() -> None:
    """What would let a prompt be taken for a command, or lose the answer, cannot be given."""
    for flag in ("-p", "--file", "-o", "--chat-template-file", "--escape", "--no-jinja"):
        with pytest.raises(ParameterError, match="mode cli"):
            checked_flags([flag], program(NEW, "llama-cli"))


def fake(path: Path, help_text: str, *, version: str = "version: 1 (a)") -> Path:
    """A program that prints a help text, and counts how often it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(path)!r} + '.asked', 'a').write(sys.argv[-1] + ' ')\n"
        f"print({help_text!r} if sys.argv[-1] == '--help' else {version!r})\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_program_is_asked_once(tmp_path: Path) -> None:
    """And again when its file has changed."""
    path = fake(tmp_path / "llama-server", NEW)
    for _ in range(3):
        assert inspected(str(path), System()).version == "1 (a)"
    assert Path(f"{path}.asked").read_text() == "--version --help "
    fake(path, OLD, version="version: 2 (b)")
    os.utime(path, (1, 1))
    assert inspected(str(path), System()).version == "2 (b)"


def test_a_llama_cli_that_is_too_old(tmp_path: Path, models: Path) -> None:
    """It is told from a new one by its flags, and what to do instead is said."""
    path = fake(tmp_path / "llama-cli", OLD, version="version: 3000 (abc)")
    config = {"mode": "cli", "models_dir": models, "llama_cpp_path": path}
    with (
        create_provider("llama-cpp", config) as provider,
        pytest.raises(ConfigurationError, match=r"\(3000 \(abc\)\) is too old for mode cli: it has no --single-turn"),
    ):
        provider.execute(TOY, "Hi")


def test_programs_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By their own path, by that of a sibling, by their folder, by the folder of a build, in PATH, below the home."""
    server = fake(tmp_path / "home/llama.cpp/build/bin/llama-server", NEW)
    cli = fake(tmp_path / "home/llama.cpp/build/bin/llama-cli", NEW)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", str(cli.parent))
    for path in (str(cli), str(server), str(cli.parent), str(tmp_path / "home/llama.cpp"), "~/llama.cpp", None):
        programs = Programs(path, System())
        assert (programs.find("llama-server"), programs.find("llama-cli")) == (str(server), str(cli))
    other = fake(tmp_path / "elsewhere/main", OLD)
    assert Programs(str(other), System()).find("llama-cli") == str(other)
    assert Programs(str(other), System()).find("llama-server") is None
    unified = fake(tmp_path / "apps/llama", NEW)
    assert Programs(str(unified), System()).find("llama-server") == f"{unified} serve"
    assert Programs(str(unified.parent), System()).program("llama-cli").words == [str(unified), "cli"]
    monkeypatch.setenv("PATH", str(unified.parent))
    assert Programs(None, System()).program("llama-server").serves
    stranger = fake(tmp_path / "strangers/llama", "usage: llama stack run")
    monkeypatch.setenv("PATH", str(stranger.parent))
    assert Programs(None, System()).find("llama-server") is None
    monkeypatch.setenv("PATH", "")
    assert "set llama_cpp_path" in Programs(None, System()).why_not("llama-server")


@pytest.mark.parametrize(
    ("windows", "linux"),
    [
        (r"D:\models", "/mnt/d/models"),
        (r"d:/models/a b.gguf", "/mnt/d/models/a b.gguf"),
        ("C:\\", "/mnt/c"),
        (r"\\wsl.localhost\Debian\home\ada\m.gguf", "/home/ada/m.gguf"),
        (r"\\wsl$\Debian\tmp", "/tmp"),
        ("//wsl$/Debian/home/ada/m.gguf", "/home/ada/m.gguf"),
        ("//wsl.localhost/Debian/tmp", "/tmp"),
        ("/home/ada", "/home/ada"),
        ("relative/path", "relative/path"),
    ],
)
def test_paths_are_translated(windows: str, linux: str) -> None:
    """From Windows into WSL."""
    assert to_linux(windows) == linux


def test_paths_are_translated_back() -> None:
    """From WSL to Windows: drives, and a distribution's own files if it is named."""
    assert to_windows("/mnt/d/models/a.gguf") == r"D:\models\a.gguf"
    assert to_windows("/mnt/c") == "C:\\"
    assert to_windows("/home/ada/m", "Debian") == r"\\wsl.localhost\Debian\home\ada\m"
    assert to_windows("/home/ada/m") == "/home/ada/m"
    assert to_windows(r"D:\models") == r"D:\models"
    assert to_windows("//wsl$/Debian/home/ada", "Debian") == r"\\wsl$\Debian\home\ada"


INSIDE = "Linux version 6.6.87.2-microsoft-standard-WSL2 (root@x) (gcc 11.2.0) #1 SMP"
OUTSIDE = "Linux version 6.1.0-18-amd64 (debian-kernel@lists.debian.org) (gcc-12) #1 SMP Debian"


def test_wsl_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By where this runs and by how the path is written; wsl= overrides."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert is_wsl(INSIDE)
    assert not is_wsl(OUTSIDE)
    assert system_for(None, None, windows=False, proc_version=INSIDE).kind == "inside"
    assert system_for(False, None, windows=False, proc_version=INSIDE).kind == "native"
    assert system_for(None, "/usr/bin/llama-cli", windows=False, proc_version=OUTSIDE).kind == "native"
    assert system_for(None, r"C:\llama\llama-cli.exe", windows=True).kind == "native"
    assert system_for(False, "/usr/bin/llama-cli", windows=True).kind == "native"
    with pytest.raises(ConfigurationError, match="wsl --install"):
        system_for(None, "~/llama.cpp/llama-cli", windows=True)
    fake(tmp_path / "wsl.exe", "")
    launcher = str(tmp_path / "wsl.exe")
    through = system_for(None, "~/llama.cpp/llama-cli", windows=True, distribution="Debian")
    assert (through.kind, through.launcher) == ("through", (launcher, "--distribution", "Debian", "--exec"))
    assert through.command(["/bin/x", "a b"]) == [launcher, "--distribution", "Debian", "--exec", "/bin/x", "a b"]
    monkeypatch.setenv("WSLENV", "OTHER/p:LLAMA_ARG_HOST/u")
    assert through.environment({"LLAMA_API_KEY": "k"})["WSLENV"] == "OTHER/p:LLAMA_API_KEY/u"
    assert System("inside").here(r"D:\models") == "/mnt/d/models"
    assert through.there(r"D:\models\m.gguf") == "/mnt/d/models/m.gguf"


WSL = """#!{python}
import json, os, sys
with open({log!r}, "a") as log:
    log.write(json.dumps([sys.argv[1:], os.environ.get("WSLENV")]) + "\\n")
words = sys.argv[1:]
assert words.pop(0) == "--exec"
os.execvp(words[0], words)
"""


@pytest.mark.engine
@needs_programs
@pytest.mark.parametrize("mode", ["server", "cli"])
def test_programs_run_through_wsl(
    make: MakeProvider, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """With a stand-in for wsl.exe, both programs answer; each start goes through it, word by word, without a shell."""
    launcher, log = tmp_path / "bin/wsl.exe", tmp_path / "calls"
    launcher.parent.mkdir()
    launcher.write_text(WSL.format(python=sys.executable, log=str(log)))
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", f"{launcher.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(programs.parent))
    provider = make(mode, wsl=True, llama_cpp_path=f"~/bin/llama-{mode}")
    assert provider.execute(TOY, "$(id) 'x' \"y\" C:\\new", parameters=GREEDY)
    calls = [json.loads(line) for line in log.read_text().splitlines()]
    assert calls[0][0] == ["--exec", "printenv", "HOME"]
    words, wslenv = calls[-1]
    assert words[:2] == ["--exec", str(programs / f"llama-{mode}")]
    if mode == "server":
        assert wslenv.endswith("LLAMA_API_KEY/u")


def test_a_program_sees_no_flags_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that stand for flags are for a server that somebody runs by hand; those of the help are known too."""
    for name in ("LLAMA_ARG_HOST", "LLAMA_ARG_NEWER", "LLAMA_API_KEY", "LLAMA_LOG_FILE", "A_NEW_VARIABLE", "KEPT"):
        monkeypatch.setenv(name, "theirs")
    variables = program(NEW).variables
    assert variables == {"LLAMA_ARG_CACHE_TYPE_K", "A_NEW_VARIABLE"}
    seen = System().environment({"LLAMA_API_KEY": "ours"}, without=variables)
    assert {name: value for name, value in seen.items() if value in ("theirs", "ours")} == {
        "KEPT": "theirs",
        "LLAMA_API_KEY": "ours",
    }


def test_a_draft_model_drafts_as_its_header_says() -> None:
    """A build that knows several ways is told which; an older one knows one."""
    drafting = attrs.evolve(PLAIN, draft_model="/d.gguf", draft_type="draft-eagle3")
    assert arguments(drafting, program(NEW))[-4:] == ["--spec-draft-model", "/d.gguf", "--spec-type", "draft-eagle3"]
    old = program(OLD + "-md,   --model-draft FNAME                draft model\n")
    assert arguments(drafting, old)[-2:] == ["--model-draft", "/d.gguf"]


def test_an_adapter_with_a_comma_in_its_path() -> None:
    """llama.cpp would take it for two."""
    with pytest.raises(ConfigurationError, match="rename '/a,b'"):
        arguments(attrs.evolve(PLAIN, lora=(("/a,b", 1.0),)), program(NEW))


def test_memory_is_reckoned() -> None:
    """Weights, and a cache that grows with the context and shrinks with its type; a GPU's part is not counted."""
    model = attrs.evolve(PLAIN, size=1 << 30, context=1000, cache_row=2048)
    assert needed_memory(model) - needed_memory(attrs.evolve(model, context=0)) == 1000 * 2048 * 2
    smaller = attrs.evolve(model, cache_type_k="q8_0", cache_type_v="q8_0")
    assert needed_memory(smaller) < needed_memory(model)
    assert shortage(model, free=8 << 30) is None
    assert "1.1 GiB" in str(shortage(model, free=1 << 30))
    assert shortage(attrs.evolve(model, gpu_layers=99), free=1) is None
    assert "GiB" in str(shortage(attrs.evolve(model, gpu_layers=0), free=1))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"default_gpu_layers": -1}, "'auto' or 'all'"),
        ({"default_gpu_layers": "most"}, "'auto' or 'all'"),
        ({"default_threads": 0}, "at least 1"),
        ({"split_mode": "half"}, "one of none, layer, row, tensor"),
        ({"tensor_split": "a"}, "such as"),
        ({"tensor_split": [0, 0]}, "such as"),
        ({"flash_attention": 1}, "a string"),
        ({"default_context": 1}, "at least 2"),
        ({"cache_type_k": "q9"}, "one of f32"),
        ({"cache_type_v": "q8_0", "flash_attention": "off"}, "needs flash attention"),
        ({"load_mode": "slow"}, "one of auto"),
        ({"lora": {"a": "b"}}, "mapping of paths to scales"),
        ({"max_servers": 0}, "at least 1"),
        ({"start_timeout": 0}, "greater than 0"),
        ({"port": 70000}, "at most 65535"),
        ({"mode": "remote"}, "needs the base_url"),
        ({"llama_cpp": "x"}, "did you mean 'llama_cpp_path'"),
    ],
)
def test_settings_have_ranges(settings: dict[str, Any], says: str) -> None:
    """A wrong setting is an error that names it, before anything is started."""
    with pytest.raises(ConfigurationError, match=says):
        create_provider("llama-cpp", settings)


def test_settings_take_what_people_write() -> None:
    """Lists, mappings and single values, as the kind of setting allows."""
    config = LlamaCppConfig(lora=["/a"], tensor_split=[3, 1], special_flags="--jinja", default_gpu_layers="all")
    assert (LlamaCppConfig(flash_attention=True).flash_attention, config.flash_attention) == ("on", None)
    assert LlamaCppConfig(flash_attention=False).flash_attention == "off"
    assert LlamaCppConfig(default_threads=-1).default_threads is None
    assert [LlamaCppConfig(mmproj=value).mmproj for value in (True, False, "none", None)] == [
        None,
        "none",
        "none",
        None,
    ]
    assert config.lora == {"/a": 1.0}
    assert config.tensor_split == (3.0, 1.0)
    assert config.special_flags == ("--jinja",)
    assert validate_provider_config("llama-cpp", {"default_gpu_layers": 999, "default_threads": 24}) == (True, None)


def test_the_mode_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """auto: remote with a base_url, else server, else embedded, else cli; get_info() says which, and why."""
    from airouter_llamacpp.modes import choice

    monkeypatch.setenv("PATH", "")
    for variable in ("LLAMA_CPP_BASE_URL", "AIROUTER_LLAMA_BIN", "AIROUTER_MODELS_DIR"):
        monkeypatch.delenv(variable, raising=False)
    both, only_cli = tmp_path / "both", tmp_path / "cli"
    fake(both / "llama-server", NEW)
    fake(both / "llama-cli", NEW)
    fake(only_cli / "llama-cli", NEW)

    def mode(installed: bool, **settings: Any) -> tuple[str, str]:
        monkeypatch.setattr(choice, "is_installed", lambda: installed)
        with create_provider("llama-cpp", {"models_dir": tmp_path, **settings}) as provider:
            assert isinstance(provider, LlamaCppProvider)
            details = provider.details()
            return details["mode"], details["mode_reason"]

    assert mode(True, base_url="http://127.0.0.1:9", llama_cpp_path=both) == ("remote", "base_url is set")
    assert mode(True, llama_cpp_path=both / "llama-cli")[0] == "server"
    assert mode(True, llama_cpp_path=only_cli)[0] == "embedded"
    assert mode(False, llama_cpp_path=only_cli) == (
        "cli",
        (
            f"no base_url, no llama-server (llama_cpp_path {str(only_cli)!r} leads to no llama-server; set it to "
            f"llama-server, or to the folder that holds it), no xllamacpp, and there is {only_cli / 'llama-cli'}"
        ),
    )
    nowhere = mode(True, llama_cpp_path=tmp_path / "nowhere")
    assert nowhere[0] == "server"
    assert "does not exist" in nowhere[1]
    with (
        create_provider("llama-cpp", {"llama_cpp_path": tmp_path / "nowhere", "models_dir": tmp_path}) as provider,
        pytest.raises(ConfigurationError, match="does not exist; set it to llama-server"),
    ):
        provider.check()
    assert mode(True)[0] == "embedded"
    assert mode(False)[0] == "embedded"
    assert mode(True, mode="cli", llama_cpp_path=both) == ("cli", "as configured")


def test_the_extra_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the engine's package, the error is the command that installs it."""
    (tmp_path / "m.gguf").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with create_provider("llama-cpp", {"mode": "embedded", "models_dir": tmp_path}) as provider:
        assert not provider.validate_config()
        from .conftest import make_gguf

        (tmp_path / "m.gguf").write_bytes(make_gguf())
        with pytest.raises(ConfigurationError, match=r"pip install 'airouter-llamacpp\[embedded\]'"):
            provider.execute("m", "Hi")
