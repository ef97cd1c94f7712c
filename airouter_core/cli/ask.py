"""``airouter embed``, ``image``, ``moderate``, ``tokens``: what there is beside chat."""

from __future__ import annotations

from typing import Any

import click

from ..errors import UnsupportedFeatureError
from ..provider.facade import Provider
from .choices import json_option, target_options
from .input import TEXT, text_or_pipe
from .output import note, waiting, write, write_json
from .targets import chosen_model, chosen_target


@click.command()
@target_options
@click.option("--lines", is_flag=True, help="One vector for each line of the text.")
@click.argument("text", required=False, type=TEXT)
def embed(
    provider_name: str | None, model: str | None, settings: tuple[str, ...], lines: bool, text: str | None
) -> None:
    """Make a vector of TEXT, or of each of its lines; prints JSON."""
    content = text_or_pipe(text)
    provider, named = chosen_target(provider_name, model, settings)
    with provider, waiting("embedding …"):
        wanted: Any = [line for line in content.splitlines() if line.strip()] if lines else content
        write_json(provider.create_embedding(wanted, named if model else None))  # the usual model is one that chats


@click.command()
@target_options
@json_option
@click.argument("text", required=False, type=TEXT)
def tokens(
    provider_name: str | None, model: str | None, settings: tuple[str, ...], as_json: bool, text: str | None
) -> None:
    """Count the tokens of TEXT; says whether the count is exact."""
    content = text_or_pipe(text)
    provider, named = chosen_target(provider_name, model, settings)
    with provider, waiting("counting …"):
        exact = "token_counting" in provider.info.capabilities
        counted = provider.count_tokens(content, chosen_model(provider, named) if exact else named)
    if as_json:
        write_json({"tokens": counted, "exact": exact, "provider": provider.info.name})
        return
    write(str(counted))
    if not exact:
        note("an estimate: this provider cannot count")


@click.command()
@target_options
@json_option
@click.argument("text", required=False, type=TEXT)
def moderate(
    provider_name: str | None, model: str | None, settings: tuple[str, ...], as_json: bool, text: str | None
) -> None:
    """Ask whether TEXT breaks a provider's rules; exit code 1 if it does."""
    content = text_or_pipe(text)
    provider, chosen = chosen_target(provider_name, model, settings)
    with provider, waiting("moderating …"):
        judge = _method(provider, "moderation", "moderate_content")
        result = judge(content, chosen) if model and chosen else judge(content)  # the usual model is one that chats
    if as_json:
        write_json(result)
    else:
        named = [name for name, flagged in result["categories"].items() if flagged]
        write(", ".join(named) if result["flagged"] else "nothing found")
    click.get_current_context().exit(1 if result["flagged"] else 0)


@click.command()
@target_options
@click.option("--size", metavar="WxH", help="Such as 1024x1024.")
@click.option(
    "-f", "--file", "target", metavar="PATH", required=True, type=click.Path(dir_okay=False), help="Where to write it."
)
@click.argument("prompt", type=TEXT)
def image(
    provider_name: str | None, model: str | None, settings: tuple[str, ...], size: str | None, target: str, prompt: str
) -> None:
    """Make an image of PROMPT, and write it to a file."""
    provider, named = chosen_target(provider_name, model, settings)
    with provider, waiting("drawing …"):
        given = (("model", named if model else None), ("size", size))
        wanted = {name: value for name, value in given if value is not None}
        _method(provider, "images", "create_image")(prompt, save_to=target, **wanted)
    write(target)


def _method(provider: Provider[Any], capability: str, name: str) -> Any:
    method = getattr(provider, name, None)
    if capability not in provider.info.capabilities or method is None:
        raise UnsupportedFeatureError(
            f"{provider.info.name} cannot do {capability!r}; `airouter providers --json` lists who can"
        )
    return method
