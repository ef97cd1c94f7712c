"""The document that asked for this system: every Python snippet of it runs as it stands."""

from __future__ import annotations

import ast
import builtins
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from airouter_core import create_provider, list_providers
from airouter_core.errors import ConfigurationError, RetiredModelWarning
from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.plugins.registry import installed
from airouter_core.values.messages import Message
from airouter_core.values.response import Response

if TYPE_CHECKING:
    from conftest import StandIn

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT.parent / "shared" / "seed-readme.md"
TOY = ROOT / "models" / "airouter-toy" / "airouter-toy.gguf"
MODELS_DIR = "/mnt/d/models/organized"
"""The folder of the document. No other word of a snippet is replaced; ``~`` is found through ``HOME``."""
PROGRAMS = "llama.cpp/build/bin"
"""Where the document has llama.cpp, below the home."""
BLOCK = re.compile(r"^```(python|json)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@attrs.frozen
class Snippet:
    """A piece of the document, and the pieces before it that it builds on."""

    line: int
    code: str
    base: tuple[Snippet, ...]

    @property
    def whole(self) -> str:
        """What a reader has typed by then."""
        return "\n".join(piece.code for piece in (*self.base, self))

    @property
    def calls_ollama(self) -> bool:
        """Whether it has something to say to Ollama, beyond its address."""
        return "'ollama'" in self.whole and any(
            word in self.code for word in ("list_models", "'mistral'", "list_all_models")
        )

    @property
    def calls_llama_cpp(self) -> bool:
        return "qwen3-coder-30b" in self.code


def _unbound(code: str) -> set[str]:
    """Names that a piece uses when it runs and does not make; bodies of functions run later."""
    tree = ast.parse(code)
    used: set[str] = set()
    made: set[str] = set(dir(builtins))
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
        made.update(_made(node))
        waiting += [] if isinstance(node, ast.FunctionDef) else ast.iter_child_nodes(node)
    return used - made


def _made(node: ast.AST) -> set[str]:
    match node:
        case ast.Import() | ast.ImportFrom():
            return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        case ast.FunctionDef() | ast.ClassDef() | ast.ExceptHandler():
            return {node.name} if node.name else set()
        case ast.arg():
            return {node.arg}
        case ast.Name(ctx=ast.Store()):
            return {node.id}
    return set()


def _bound(code: str) -> set[str]:
    return {name for node in ast.walk(ast.parse(code)) for name in _made(node)}


def _snippets(text: str) -> list[Snippet]:
    """Each piece with the nearest ones before it that make the names it uses."""
    found: list[Snippet] = []
    for match in BLOCK.finditer(text):
        if match.group(1) != "python":
            continue
        code = match.group(2)
        base: dict[int, Snippet] = {}
        for name in _unbound(code):
            maker = next((piece for piece in reversed(found) if name in _bound(piece.code)), None)
            if maker is not None:
                base.update({piece.line: piece for piece in (*maker.base, maker)})
        found.append(Snippet(text[: match.start()].count("\n") + 2, code, tuple(base[line] for line in sorted(base))))
    return found


TEXT = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.is_file() else ""
SNIPPETS = _snippets(TEXT)

pytestmark = pytest.mark.skipif(not TEXT, reason=f"the document is not here: {DOCUMENT.parent.name}/{DOCUMENT.name}")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a model of the document's name, and the file it shows."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(TOY, models / "qwen3-coder-30b.gguf")
    example = next((text for kind, text in BLOCK.findall(TEXT) if kind == "json"), "{}")
    (tmp_path / "providers.json").write_text(example.replace(MODELS_DIR, str(models)), encoding="utf-8")
    return tmp_path


def _programs() -> Path | None:
    """The folder of real llama.cpp programs, if there is one."""
    places = [os.environ.get("AIROUTER_LLAMA_BIN"), str(ROOT / ".cache/engines/llamacpp/bin")]
    return next((Path(place) for place in places if place and (Path(place) / "llama-cli").is_file()), None)


def _install_programs(home: Path) -> None:
    """Put llama.cpp where the document has it: a setting that leads nowhere is an error."""
    programs = _programs()
    if programs is None:
        pytest.skip("no llama-cli: tools/engines/llamacpp.sh .cache/engines/llamacpp, or set AIROUTER_LLAMA_BIN")
    (home / PROGRAMS).parent.mkdir(parents=True)
    (home / PROGRAMS).symlink_to(programs, target_is_directory=True)


def _run(code: str, home: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "COVERAGE_PROCESS_START") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", code.replace(MODELS_DIR, str(home / "models"))],
        cwd=home,
        env={**kept, "HOME": str(home), "NO_PROXY": "*", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=6000,
    )


def _needs(snippet: Snippet, request: pytest.FixtureRequest) -> None:
    missing = {"claude", "llama-cpp", "ollama", "openai", "openrouter"} - {info.name for info in list_providers()}
    if missing:
        pytest.skip(f"the document speaks of all five providers; not installed: {', '.join(sorted(missing))}")
    if snippet.calls_llama_cpp:
        pytest.importorskip("xllamacpp", reason="runs a real model: pip install 'airouter-llamacpp[embedded]'")
    if snippet.calls_ollama:
        request.getfixturevalue("ollama")


@pytest.mark.engine
@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: f"line-{snippet.line}")
def test_a_snippet_of_the_document_runs_as_it_stands(
    snippet: Snippet, home: Path, vendors: StandIn, request: pytest.FixtureRequest
) -> None:
    """In a fresh process, after the snippets that it builds on."""
    _needs(snippet, request)
    if "llama_cpp_path" in snippet.whole:
        _install_programs(home)
    result = _run(snippet.whole, home, vendors.environment)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.engine
def test_llama_cpp_runs_where_the_document_has_it(home: Path, request: pytest.FixtureRequest) -> None:
    """With real programs in ``~/llama.cpp/build/bin``, as after building it there."""
    _install_programs(home)
    snippet = _snippet("qwen3-coder-30b")
    _needs(snippet, request)
    shown = "\nprint(provider.get_info().details['mode'])\nassert response"
    result = _run(snippet.whole + shown, home, {"AIROUTER_LLAMACPP_DIR": str(home / "logs")})
    assert (result.returncode, result.stdout) == (0, "server\n"), result.stderr


def _snippet(words: str) -> Snippet:
    return next(snippet for snippet in SNIPPETS if words in snippet.code)


def test_the_snippets_are_found() -> None:
    """All of them, and those of one provider build on its configuration."""
    assert len(SNIPPETS) == TEXT.count("```python")
    (*_, configuration) = _snippet("moderate_content").base
    assert configuration.code.startswith("provider = create_provider('openai'")


def test_what_a_snippet_gives_reaches_the_vendor(home: Path, vendors: StandIn, request: pytest.FixtureRequest) -> None:
    """The document's parameters, system prompt and tools for one provider are in the requests."""
    snippet = _snippet("moderate_content")
    _needs(snippet, request)
    vendors.asked.clear()
    assert _run(snippet.whole, home, vendors.environment).returncode == 0
    (chat, embedding, image, moderation) = vendors.asked
    assert chat[1]["messages"][0] == {"role": "system", "content": "You are a creative writer"}
    assert (chat[1]["temperature"], chat[1]["max_tokens"]) == (0.9, 2000)
    assert embedding[1]["input"] in ("Hello world", ["Hello world"])
    assert image[1]["prompt"] == "A cat wearing a space suit"
    assert "Some text to check" in str(moderation[1]["input"])


def test_a_wrong_key_is_told_as_the_document_has_it(
    home: Path, vendors: StandIn, request: pytest.FixtureRequest
) -> None:
    """The document's own error handling prints the next step."""
    snippet = _snippet("'api_key': 'invalid'")
    _needs(snippet, request)
    result = _run(snippet.whole, home, vendors.environment)
    assert result.stdout.startswith("Execution error: openai:")
    assert result.stdout.count("\n") == 1


@pytest.mark.engine
def test_the_router_of_the_document_routes(home: Path, vendors: StandIn, request: pytest.FixtureRequest) -> None:
    """Its class does what it says, once ``os`` is imported as the snippet before it does."""
    snippet = _snippet("class AIRouter")
    _needs(snippet, request)
    use = (
        "import os\nrouter = AIRouter()\nassert all(router.route_request('Hi', case) for case in ('coding', 'talk'))\n"
    )
    result = _run(snippet.whole + use, home, vendors.environment)
    assert result.returncode == 0, result.stderr


def test_a_level_of_an_old_logger_reaches_the_records() -> None:
    """``providers.openai_provider`` decides what is logged, and its handlers see it; by default nothing is."""
    code = """
import io, logging
from providers import create_provider
from airouter_core.plugins.registry import installed
seen, all_seen = io.StringIO(), io.StringIO()
old, parent = logging.getLogger("providers.openai_provider"), logging.getLogger("providers")
ours = logging.getLogger("airouter.openai")
assert ours.getEffectiveLevel() == logging.WARNING
old.setLevel(logging.INFO)
assert ours.isEnabledFor(logging.INFO) and not ours.isEnabledFor(logging.DEBUG)
assert not logging.getLogger("airouter.claude").isEnabledFor(logging.INFO)
old.addHandler(logging.StreamHandler(seen)); parent.addHandler(logging.StreamHandler(all_seen))
ours.info("of openai"); ours.debug("too much"); logging.getLogger("airouter.claude").warning("of claude")
assert seen.getvalue() == "of openai\\n", seen.getvalue()
assert all_seen.getvalue() == "of openai\\nof claude\\n", all_seen.getvalue()
old.setLevel(logging.DEBUG)
try:
    create_provider("openai", {"api_key": "k", "base_url": "http://127.0.0.1:9", "max_retries": 0}).execute("m", "Hi")
except RuntimeError:
    pass
assert "m: 1 messages" in seen.getvalue(), seen.getvalue()
"""
    if not any(info.name == "openai" for info in list_providers()):
        pytest.skip("asks for a provider: pip install airouter-openai")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=600)
    assert result.returncode == 0, result.stderr


class _Answers:
    """A plugin that answers in the provider's place, so that nothing is sent."""

    @hookimpl
    def airouter_answer_call(self, call: object) -> Response:
        return Response(message=Message.assistant("Yes."), finish_reason="stop")


@pytest.mark.parametrize(
    ("provider", "model", "successor"),
    [
        ("openai", "gpt-4", "gpt-5.5"),
        ("claude", "claude-3-opus-20240229", "claude-opus-5-5"),
        ("claude", "claude-3-sonnet-20240229", "claude-sonnet-5-5"),
    ],
)
def test_a_retired_model_of_the_document_has_a_successor(
    provider: str, model: str, successor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the vendor's own address the call is made all the same, and a warning names who was asked."""
    if not any(info.name == provider for info in list_providers()):
        pytest.skip(f"asks for a provider: pip install airouter-{provider}")
    for variable in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    with create_provider(provider, {"api_key": "of-nobody"}, plugins=installed().plus(_Answers())) as made:
        with pytest.warns(RetiredModelWarning, match=f"'{successor}' was asked"):
            response = made.chat(model, "Hello!")
        assert any(successor in warning for warning in response.warnings)


def test_dall_e_3_has_a_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    """So has the document's model for images. The proxy is one that is not there: nothing leaves."""
    if not any(info.name == "openai" for info in list_providers()):
        pytest.skip("asks for a provider: pip install airouter-openai")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    config = {"api_key": "of-nobody", "max_retries": 0, "proxies": {"https": "http://127.0.0.1:9"}}
    with (
        create_provider("openai", config) as made,
        pytest.warns(RetiredModelWarning, match="gpt-image"),
        pytest.raises(ConfigurationError, match=r"proxy http://127\.0\.0\.1:9 cannot be used"),
    ):
        made.create_image(prompt="A cat wearing a space suit", model="dall-e-3", size="1024x1024")
