"""``airouter new-plugin NAME``: a whole distribution with a provider that passes the kit at once."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import resources

import click

from ..profile.declarations import NAME

KINDS: Mapping[str, str] = {
    "chat_completions": "a service that speaks the chat-completions format",
    "wire": "a service with a format of its own",
    "local": "something on this machine, without HTTP",
}
SUFFIX = ".template"
MARK = re.compile(r"@(name|Title|Class|UPPER|package|package_suffix)@")


def new_plugin(name: str, kind: str, folder: str) -> list[str]:
    """Write a distribution to ``folder``/airouter-``name``; the paths written, in order.

    Args:
        kind: one of :data:`KINDS`.

    Raises:
        ValueError: the name is no name of a provider, or the folder is there already.
    """
    if not NAME.fullmatch(name) or not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"{name!r} is no name for a provider: small letters, digits and hyphens, like my-provider")
    words = names_for(name)
    target = os.path.join(folder, f"airouter-{name}")
    if os.path.exists(target):
        raise ValueError(f"{target} is there already; remove it, or choose another name")
    written = []
    for path, content in sorted(_files(kind, words).items()):
        place = os.path.join(target, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="utf-8") as file:
            file.write(content)
        written.append(place)
    return written


def names_for(name: str) -> dict[str, str]:
    """The forms of a name that templates use."""
    words = name.split("-")
    suffix = name.replace("-", "_")
    return {
        "name": name,
        "Title": " ".join(word.capitalize() for word in words),
        "Class": "".join(word.capitalize() for word in words),
        "UPPER": suffix.upper(),
        "package": f"airouter_{suffix}",
        "package_suffix": suffix,
    }


def _files(kind: str, words: Mapping[str, str]) -> dict[str, str]:
    package = words["package"]
    places = {
        "package_init": f"{package}/__init__.py",
        "conformance.py": f"tests/test_{words['package_suffix']}_conformance.py",
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
    }
    found = {f"{package}/py.typed": ""}
    for folder in ("common", kind):
        for entry in resources.files(__package__).joinpath("templates", folder).iterdir():
            if entry.name.endswith(SUFFIX):
                name = entry.name.removesuffix(SUFFIX)
                text = MARK.sub(lambda match: words[match[1]], entry.read_text(encoding="utf-8"))
                found[places.get(name, f"{package}/{name}")] = text
    return found


@click.command("new-plugin")
@click.argument("name")
@click.option("--chat-completions", "kind", flag_value="chat_completions", default=True, help=KINDS["chat_completions"])
@click.option("--wire", "kind", flag_value="wire", help=KINDS["wire"])
@click.option("--local", "kind", flag_value="local", help=KINDS["local"])
@click.option("--folder", default=".", type=click.Path(file_okay=False), help="where to write it")
def command(name: str, kind: str, folder: str) -> None:
    """Write a new provider plugin, which passes the conformance kit at once."""
    try:
        written = new_plugin(name, kind, folder)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    for path in written:
        click.echo(path)
    click.echo(f"\nNext: pip install -e '{os.path.join(folder, f'airouter-{name}')}[test]', and pytest there.")


if __name__ == "__main__":
    command()
