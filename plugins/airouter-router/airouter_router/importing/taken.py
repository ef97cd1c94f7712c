"""What was taken over from another program's settings, and what could not be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from airouter_core.plugins.registry import Plugins

NAMES = {
    "anthropic": "claude",
    "azure_ai": "azure",
    "azure-ai": "azure",
    "azure-openai": "azure",
    "workers-ai": "cloudflare",
    "google": "gemini",
    "ollama_chat": "ollama",
    "together_ai": "together",
    "together-ai": "together",
    "vertex_ai": "gemini",
    "vertex-ai": "gemini",
    "x-ai": "xai",
    "fireworks_ai": "fireworks",
    "fireworks-ai": "fireworks",
    "mistral-ai": "mistral",
    "perplexity-ai": "perplexity",
}
"""What others call a provider that has another name here."""


SET_ME = "set-me"
"""Stands for a key that was not copied and is not the usual one."""


class Taken(msgspec.Struct):
    """Tables of our settings file.

    Attributes:
        lost: what could not be kept, or is not quite the same, in words.
    """

    providers: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    routes: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    targets: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    lost: list[str] = msgspec.field(default_factory=list)

    def lose(self, what: str) -> None:
        """Say once that something is lost."""
        if what not in self.lost:
            self.lost.append(what)

    def account(self, provider: str, settings: Mapping[str, Any], plugins: Plugins, place: str) -> str:
        """The name of the table with these settings of a provider; a new one for each key and address."""
        name = NAMES.get(provider, provider)
        if plugins.find(name) is None:
            self.lose(f"{place}: no installed provider is called {name!r}; install it, or change the name")
        wanted = {"provider": name, **settings}
        for known, table in self.providers.items():
            if table == wanted:
                return known
        free = next(f"{name}-{number}" if number else name for number in range(len(self.providers) + 1)
                    if (f"{name}-{number}" if number else name) not in self.providers)  # fmt: skip
        self.providers[free] = wanted
        return free

    def key(self, given: Any, place: str, address: Any = None) -> str | None:
        """A reference to a key. A key that stands in the file is not copied: it would then stand in two.

        Args:
            address: another than the provider's usual one, which the key of the usual variable must not go to.
        """
        if not given:
            return None
        if isinstance(given, str) and given.startswith("os.environ/"):
            return f"${{{given.removeprefix('os.environ/')}}}"
        if address:
            self.lose(f"{place}: the key was not copied; write it in place of {SET_ME!r}")
            return SET_ME
        self.lose(f"{place}: the key was not copied; it is looked for in the provider's usual variable")
        return None

    def as_toml(self) -> str:
        """The tables, as our settings file says them."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for what in self.lost:
            yield f"# not kept: {what}"
        for name, table in self.providers.items():
            yield from ("", f"[{_key(name)}]")
            yield from _entries({key: value for key, value in table.items() if (key, value) != ("provider", name)})
        for name, table in self.routes.items():
            yield from ("", f"[routes.{_key(name)}]")
            yield from _entries({key: value for key, value in table.items() if key != "when"})
            for entry in table.get("when", ()):
                yield f"[[routes.{_key(name)}.when]]"
                yield from _entries(entry)
        for address, table in self.targets.items():
            yield from ("", f"[targets.{_key(address)}]")
            yield from _entries(table)
        yield ""


def _entries(table: Mapping[str, Any]) -> Iterator[str]:
    return (f"{_key(name)} = {_value(value)}" for name, value in table.items())


def _key(name: str) -> str:
    plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if plain else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(name))} = {_value(item)}" for name, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    # Strings of JSON are basic strings of TOML, but for the one character that JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
