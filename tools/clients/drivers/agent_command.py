"""Agents that people run in a terminal, headless and in an empty home; ``VARIANT`` names one.

All of them stream, and show what has come when it is whole. Their tools are their own: the model calls their shell.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

from driver import KEY, MODEL, QUESTION, URL, VARIANT, handed_on, run

HOME = Path(mkdtemp(prefix="agent-"))
Begun = tuple[list[str], dict[str, str]]
"""A command, and what it needs in its environment."""


def written(name: str, said: object) -> Path:
    """A file of settings."""
    file = HOME / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(said if isinstance(said, str) else json.dumps(said))
    return file


def claude() -> Begun:
    off = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_TELEMETRY", "DISABLE_ERROR_REPORTING")
    quiet = dict.fromkeys((*off, "DISABLE_AUTOUPDATER"), "1")
    command = ["claude", "-p", QUESTION, "--model", MODEL, "--allowedTools", "Bash"]
    return command, {"ANTHROPIC_BASE_URL": URL, "ANTHROPIC_AUTH_TOKEN": KEY, **quiet}


def codex() -> Begun:
    server = {"name": "airouter", "base_url": f"{URL}/v1", "env_key": "AIROUTER_KEY", "wire_api": "responses"}
    lines = [
        *(f'model = "{MODEL}"', 'model_provider = "airouter"', 'web_search = "disabled"'),
        *("check_for_update_on_startup = false", "[model_providers.airouter]"),
        *(f'{name} = "{value}"' for name, value in server.items()),
        *("request_max_retries = 0", "stream_max_retries = 0"),
        *("[analytics]", "enabled = false", "[otel]", 'exporter = "none"'),
    ]
    written(".codex/config.toml", "\n".join(lines))
    return ["codex", "exec", "--skip-git-repo-check", "--json", QUESTION], {"AIROUTER_KEY": KEY}


def opencode() -> Begun:
    models = {MODEL: {"limit": {"context": 32000, "output": 4000}}}
    options = {"baseURL": f"{URL}/v1", "apiKey": KEY}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": models}
    it = {"provider": {"it": provider}, "model": f"it/{MODEL}", "small_model": f"it/{MODEL}"}
    written("opencode.json", {"autoupdate": False, "share": "disabled", **it})
    off = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD")
    return ["opencode", "run", "-m", f"it/{MODEL}", QUESTION], {f"OPENCODE_DISABLE_{name}": "1" for name in off}


def qwen() -> Begun:
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{URL}/v1", "OPENAI_MODEL": MODEL}
    settings = {"telemetry": {"enabled": False}, "privacy": {"usageStatisticsEnabled": False}}
    more = {"general": {"disableAutoUpdate": True}, "model": {"generationConfig": {"maxRetries": 0}}}
    written(".qwen/settings.json", {**settings, **more})
    return ["qwen", "--auth-type", "openai", "--yolo", "-p", QUESTION], environ


def continued() -> Begun:
    model = {"name": "it", "provider": "openai", "model": MODEL, "apiBase": f"{URL}/v1", "apiKey": KEY}
    file = written("config.yaml", {"name": "a", "version": "1.0.0", "schema": "v1", "models": [model]})
    return ["cn", "-p", QUESTION, "--auto", "--config", str(file)], {"CONTINUE_TELEMETRY_ENABLED": "0"}


def cline() -> Begun:
    told = ["cline", "auth", "openai-compatible", "-k", KEY, "-m", MODEL, "--baseurl", f"{URL}/v1"]
    subprocess.run(
        told, env={**os.environ, "HOME": str(HOME)}, stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    return ["cline", "--json", QUESTION], {}


def pi() -> Begun:
    api = {"chat": "openai-completions", "responses": "openai-responses", "anthropic": "anthropic-messages"}[DIALECT]
    address = URL if DIALECT == "anthropic" else f"{URL}/v1"
    provider = {"baseUrl": address, "api": api, "apiKey": KEY, "models": [{"id": MODEL}]}
    written(".pi/agent/models.json", {"providers": {"it": provider}})
    written(".pi/agent/settings.json", {"retry": {"enabled": False}})
    return ["pi", "-p", "--provider", "it", "--model", MODEL, QUESTION], {"PI_OFFLINE": "1"}


def aider() -> Begun:
    quiet = ("no-git", "yes-always", "analytics-disable", "no-check-update", "no-show-model-warnings", "no-pretty")
    if DIALECT == "anthropic":
        environ = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_API_BASE": URL}
    else:
        environ = {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": f"{URL}/v1"}
    kind = "anthropic" if DIALECT == "anthropic" else "openai"
    return ["aider", "--model", f"{kind}/{MODEL}", *(f"--{name}" for name in quiet), "--message", QUESTION], environ


def sgpt() -> Begun:
    settings = {"OPENAI_API_KEY": KEY, "API_BASE_URL": f"{URL}/v1", "DEFAULT_MODEL": MODEL, "USE_LITELLM": "false"}
    lines = (f"{name}={value}" for name, value in settings.items())
    written(".config/shell_gpt/.sgptrc", "\n".join(lines) + "\n")
    return ["sgpt", "--no-cache", QUESTION], {}


def copilot() -> Begun:
    kind = "anthropic" if DIALECT == "anthropic" else "openai"
    address = URL if DIALECT == "anthropic" else f"{URL}/v1"
    provider = {"TYPE": kind, "BASE_URL": address, "API_KEY": KEY}
    if DIALECT == "responses":
        provider["WIRE_API"] = "responses"
    environ = {f"COPILOT_PROVIDER_{name}": value for name, value in provider.items()}
    return ["copilot", "-p", QUESTION, "--allow-all-tools"], {"COPILOT_MODEL": MODEL, **environ}


def ollama() -> Begun:
    return ["ollama", "run", MODEL, QUESTION], {"OLLAMA_HOST": URL}


AGENTS: dict[str, Callable[[], Begun]] = {
    "claude": claude,
    "codex": codex,
    "opencode": opencode,
    "qwen": qwen,
    "continue": continued,
    "cline": cline,
    "pi": pi,
    "aider": aider,
    "sgpt": sgpt,
    "copilot": copilot,
    "ollama": ollama,
}
NAME, _, DIALECT = VARIANT.partition("/")


def asked() -> None:
    """Ask."""
    command, environ = AGENTS[NAME]()
    said = handed_on(command, {"HOME": str(HOME), **environ}, HOME)
    if NAME == "aider" and "litellm." in said:
        raise SystemExit("aider ends well also where it has told of an error")


run(**dict.fromkeys(("text", "stream", "tool", "error", "cut", "silence", "killed"), asked))
