"""What is made by hand of the wrong kind is refused where it is made, with what it must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from airouter_core.errors import ParameterError, UnsupportedFeatureError
from airouter_core.flow.steps import Flow, done
from airouter_core.provider.asking import conversation, conversation_about_images, seconds
from airouter_core.testing.fakes import FakeProvider, fake_provider
from airouter_core.tools.loop import Toolbox
from airouter_core.tools.schemas import tool_of
from airouter_core.values.batches import BatchRequest, batch_requests
from airouter_core.values.catalog import Ranked
from airouter_core.values.message_dicts import messages_from
from airouter_core.values.messages import (
    FilePart,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.parameters import Parameter
from airouter_core.values.tokens import estimate_tokens
from airouter_core.values.tools import Tool, ToolChoice, tools_from

ANY: Any = 7


def unreadable(x: nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821  # which is what is tested
    """Has an annotation that names nothing."""


def batch(**fields: Any) -> Any:
    return batch_requests([{"model": "m", "messages": "hi", **fields}])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tool(""), "a tool needs a name, not ''"),
        (lambda: Tool(ANY), "a tool needs a name, not 7"),
        (lambda: Tool("f", ANY), "tool 'f': the description is a string, not 7"),
        (lambda: Tool("f", None, ANY), "tool 'f': the schema of the arguments is a mapping, not int"),
        (lambda: ToolChoice(ANY), "the mode of a ToolChoice is one of auto, none, required, tool, not 7"),
        (lambda: ToolChoice("tool"), "needs a name, and no other mode takes one"),
        (lambda: ToolChoice("auto", "f"), "needs a name, and no other mode takes one"),
        (lambda: tools_from([{"type": "web_search", "name": "f"}]), "of type 'web_search', which is a provider's own"),
        (lambda: tools_from([{"name": "f", "cache": True}]), "tool 'f' has the field 'cache', which is not known"),
        (
            lambda: tools_from([{"type": "function", "function": {"name": "f"}, "cache": True}]),
            "tool 'f' has the field 'cache', which is not known",
        ),
        (lambda: FilePart.from_path(ANY), "a path is a string or a Path, not int"),
        (lambda: FilePart.from_url(ANY), "the address of a file is a string, not int"),
        (lambda: FilePart.from_data(ANY), "the content of a file is bytes, or base64 in a string, not int"),
        (lambda: ToolResultPart("1", ANY), "a tool result holds text and files, not int"),
        (lambda: ToolResultPart("1", [RefusalPart("no")]), "a tool result holds text and files only"),  # type: ignore[list-item]
        (lambda: Message("user", ANY), "a message is made of texts and parts, not of int"),
        (lambda: Message("user", [ANY]), "a message is made of texts and parts, not of int"),
        (lambda: estimate_tokens(ANY), "tokens are counted of a string, not of int"),
        (lambda: tool_of(ANY), "a tool is a function, a Tool or a dict, not int"),
        (lambda: tool_of(unreadable), r"the annotations of unreadable\(\) cannot be read: name 'nowhere'"),
        (lambda: Toolbox(ANY), "tools must be a list of functions, not int"),
        (lambda: Toolbox([Tool("f")]), "give the function instead of its description"),  # type: ignore[list-item]
        (lambda: Toolbox([estimate_tokens, estimate_tokens]), "two tools are called 'estimate_tokens'"),
        (lambda: conversation(ANY, None), r"prompt must be a string, not int; chat\(\) takes messages"),
        (lambda: conversation("hi", ANY), "system_prompt must be a string, not int"),
        (lambda: conversation_about_images(ANY, None, None, b"x", None), "prompt must be a string, not int"),
        (lambda: conversation_about_images("hi", None, None, None, None), "give an image: image_url, image_path"),
        (lambda: conversation_about_images("hi", None, None, b"text", None), "image_data is no image that is known"),
        (lambda: seconds(0), "deadline must be a number of seconds above 0, not 0"),
        (lambda: seconds(True), "deadline must be a number of seconds above 0, not True"),
        (lambda: seconds(float("inf")), "deadline must be a number of seconds above 0, not inf"),
        (lambda: batch_requests([]), "a batch needs at least one request"),
        (lambda: batch(custom_id="a b"), "custom_id"),
        (lambda: batch(modell="m"), r"requests\[0\] is no request of a batch"),
        (
            lambda: batch_requests([BatchRequest(custom_id="a", model="m", messages="hi")] * 2),
            "custom_id must be unique in a batch; used twice: a",
        ),
    ],
)
def test_what_is_of_the_wrong_kind_is_refused(make: Callable[[], Any], message: str) -> None:
    """Before it can be lost, or fail somewhere else."""
    with pytest.raises(ParameterError, match=message):
        make()


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (TextPart(ANY), "text of a TextPart"),
        (ReasoningPart(ANY), "text of a ReasoningPart"),
        (RefusalPart(ANY), "text of a RefusalPart"),
        (FilePart(ANY, data=b"x"), "media_type of a FilePart"),
        (FilePart("image/png", data="x"), "data of a FilePart"),  # type: ignore[arg-type]
        (FilePart("image/png", url=ANY), "url of a FilePart"),
        (FilePart("image/png", data=b"x", name=ANY), "name of a FilePart"),
        (ToolCallPart(ANY, "f"), "id of a ToolCallPart"),
        (ToolCallPart("1", ANY), "name of a ToolCallPart"),
        (ToolCallPart("1", "f", {}), "arguments_json of a ToolCallPart"),  # type: ignore[arg-type]
    ],
)
def test_fields_of_parts_are_looked_at(part: Any, field: str) -> None:
    """Whoever makes one by hand may have taken another for it; the message and the field are named."""
    with pytest.raises(ParameterError, match=rf"messages\[1\]: {field} has the wrong type"):
        messages_from([Message.user("hi"), Message.assistant(part)])


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (Message("user", (FilePart("image/png", data=b"x"),), name=ANY), "the name must be a string, not int"),
        (Message("tool", (ToolResultPart(ANY, "x"),)), "tool_call_id of a ToolResultPart has the wrong type, int"),
        (Message("tool", (ToolResultPart("1", [TextPart(ANY)]),)), "text of a TextPart has the wrong type, int"),
        (
            Message("user", (FilePart("image/png", data=b"x"),), provider_metadata=ANY),
            "provider_metadata must be a mapping, keyed by provider",
        ),
    ],
)
def test_fields_of_messages_are_looked_at(message: Message, said: str) -> None:
    """So with names, with what only one provider takes, and inside of results."""
    with pytest.raises(ParameterError, match=rf"messages\[0\]: {said}"):
        messages_from([message])


def test_a_string_is_no_tuple_of_names() -> None:
    """It would declare each of its letters."""
    with pytest.raises(TypeError, match="aliases must be a tuple of strings, not 'temp'"):
        Parameter("temperature", "number", aliases="temp")  # type: ignore[arg-type]


def test_what_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, an empty file, one that is longer than anybody takes, and one that is not there."""
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "long").write_bytes(b"12345")
    monkeypatch.setattr("airouter_core.values.media.MOST_OF_A_FILE", 4)
    for name, said in (
        ("empty", "is empty, so there is nothing to send"),
        ("long", "it is longer than 4 bytes, which no provider takes"),
        ("none", "No such file or directory"),
        (".", "it is no regular file"),
    ):
        with pytest.raises(ParameterError, match=said):
            FilePart.from_path(tmp_path / name)
    (tmp_path / "fits").write_bytes(b"1234")
    assert FilePart.from_path(tmp_path / "fits").data == b"1234"


class Ranker(FakeProvider):
    """Orders documents by their length, and gives them in the order in which they came."""

    def ranking_flow(
        self, query: str, documents: Sequence[str], model: str | None, limit: int | None
    ) -> Flow[list[Ranked]]:
        return done(lambda: [Ranked(index, float(len(document))) for index, document in enumerate(documents)])


@pytest.fixture
def ranker() -> Ranker:
    info = msgspec.structs.replace(fake_provider().info, capabilities=("chat", "rerank", "embeddings"))
    return Ranker(("",), info, None)


def test_the_best_documents_come_first(ranker: Ranker) -> None:
    """However the provider gives them; as many as are wanted, and one alone may be a string."""
    assert [(found.index, found.score) for found in ranker.rerank("q", ["a", "ccc", "bb"])] == [(1, 3), (2, 2), (0, 1)]
    assert [found.index for found in ranker.rerank("q", ["a", "ccc", "bb"], limit=2)] == [1, 2]
    assert [found.index for found in ranker.rerank("q", "alone")] == [0]


def test_what_cannot_be_ranked_or_measured_is_refused(ranker: Ranker) -> None:
    """Without a query or documents, or by somebody who has no model for it."""
    for query in ("", ANY):
        with pytest.raises(ParameterError, match="rerank needs a query"):
            ranker.rerank(query, ["a"])
    for documents in ([], [ANY]):
        with pytest.raises(ParameterError, match="rerank needs documents, each a string"):
            ranker.rerank("q", documents)
    with pytest.raises(ParameterError, match="fake takes no 'speed' for embeddings"):
        ranker.create_embedding("hi", speed=3)
    with pytest.raises(UnsupportedFeatureError, match="rerank"):
        fake_provider().rerank("q", ["a"])
