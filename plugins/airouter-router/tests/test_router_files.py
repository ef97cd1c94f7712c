"""Routes in a settings file: for programs that read it, and for the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from airouter_core import ProviderManager
from airouter_core.cli import app
from airouter_core.cli.targets import current_settings
from airouter_core.errors import ConfigurationError, UnsupportedFeatureError

FILE = """
[main]
provider = "openai"
api_key = "sk-planted"

[ollama]
base_url = "http://127.0.0.1:9"

[routes.chat]
targets = ["main/gpt-5", "ollama/llama"]
[[routes.chat.when]]
if = { tag = "team=blue" }
targets = ["ollama/llama"]

[targets."main/gpt-5"]
context = 5

[prices]
"ollama/llama" = { input = 1, output = 2 }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "airouter.toml"
    found.write_text(FILE)
    found.chmod(0o600)
    return found


def test_a_manager_has_the_routes_of_its_file(path: Path) -> None:
    """A table of routes is enough: the router is there, with the providers of the file, and tells its plan."""
    with ProviderManager.from_config(path) as manager:
        assert manager.resolve("route:chat") == ("router", "chat")
        plan = manager.plan("route:chat", "word " * 30)
        text = plan.explain()
        assert "main/gpt-5  not asked: about" in text
        assert "ollama/llama  number 2 in order; at most 0.002" in text
        with pytest.raises(UnsupportedFeatureError, match="only routes have a plan"):
            manager.plan("ollama/llama", "hello")


def test_a_wrong_route_of_a_file(path: Path) -> None:
    """What is wrong with a route is said when the file is read."""
    path.write_text(FILE.replace('"ollama/llama"]\n[[', '"olama/llama"]\n[['))
    with pytest.raises(ConfigurationError, match="did you mean 'ollama'"):
        ProviderManager.from_config(path)


@pytest.fixture
def read_anew() -> Iterator[None]:
    """The command line reads its settings once in a process; here it is another one each time."""
    current_settings.cache_clear()
    yield
    current_settings.cache_clear()


@pytest.mark.usefixtures("read_anew")
def test_the_command_line_explains(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``airouter routes`` lists them, and says whom one would ask; nobody is asked."""
    monkeypatch.setenv("AIROUTER_CONFIG", str(path))
    runner = CliRunner()
    result = runner.invoke(app.app, ["routes", "list", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)[0]["targets"] == ["ollama/llama", "main/gpt-5"]
    result = runner.invoke(app.app, ["routes", "explain", "chat", "hello", "--tag", "team=blue"])
    assert result.exit_code == 0, result.output
    assert "1. ollama/llama" in result.output
    assert "sk-planted" not in result.output
