"""What rows may be: batch files, messages, pictures, tables in Parquet; and what comes out of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airouter_bulk import parquet
from airouter_bulk.errors import SpecError
from airouter_bulk.questions import Questions
from airouter_bulk.rows import Row
from airouter_bulk.spec import Spec
from airouter_core.dialects.chat_completions.unread import FORMAT
from airouter_core.errors import ConfigurationError
from airouter_core.values.messages import FilePart
from airouter_core.wire.hosts import may_be_public

if TYPE_CHECKING:
    from conftest import Bulk

PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(40)


def _line(number: int, content: Any = None, **body: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": content or f"question {number}"}]
    return {
        "custom_id": f"request-{number}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "gpt-4o", "messages": messages, **body},
    }


def test_a_batch_file_is_asked_line_by_line(bulk: Bulk, tmp_path: Path) -> None:
    """Of the target's model, with each line's own parameters; what only such a server knows goes on as it is."""
    bodies: list[dict[str, Any]] = []
    bulk.witness.saw = bodies.append
    lines = [_line(0, max_tokens=5, seed=1), _line(1, store=True, temperature=0), _line(2), _line(2)]
    path = tmp_path / "batch.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    summary = bulk.run(path, None, parameters={"temperature": 0.5})
    assert (summary.valid, summary.calls) == (3, 3)
    first, second, _ = sorted(bodies, key=lambda body: str(body["messages"]))
    assert (first["model"], first["temperature"], first["seed"]) == ("m", 0.5, 1)
    assert (second["store"], second["temperature"]) == (True, 0)
    told = bulk.lines()
    assert [line["custom_id"] for line in told] == ["request-0", "request-1", "request-2", "request-2"]
    assert told[3]["answer"] == "answer to question 2"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (_line(0) | {"url": "/v1/embeddings"}, "embeddings"),
        (_line(0) | {"method": "GET"}, "GET"),
        (_line(0, stream=True), "whole"),
        ({"custom_id": "1", "body": {}}, "no messages"),
        ({"q": "x"}, "no prompt"),
        ({"messages": []}, "empty"),
        ({"messages": "x", "answer": 1}, "field 'answer'"),
        ({"messages": "x", "airouter": 1}, "name another with details"),
        (_line(0, response_format={"type": "json_schema", "json_schema": {"schema": {"type": "nothing"}}}), "Schema"),
        (_line(0, [{"type": "image_url", "image_url": {"url": "http://169.254.169.254/x"}}]), "open net"),
    ],
)
def test_a_row_that_brings_no_question_says_what_is_wrong(row: dict[str, Any], told: str) -> None:
    """It fails alone, before anything is sent."""
    asked = Questions(Spec(target="a/b"), "b").asked(Row(b"{}", row), 0)
    assert asked.key is None
    assert told in str(asked.problem)


def test_what_a_line_says_stands_before_what_the_specification_says(bulk: Bulk) -> None:
    """Whichever of its names a parameter has; options for one provider are joined."""
    bodies: list[dict[str, Any]] = []
    bulk.witness.saw = bodies.append
    lines = [_line(0, max_tokens=7), _line(1, max_completion_tokens=5), _line(2, stop=["a"], store=True)]
    more = {"parameters": {"max_tokens": 10, "stop": ["z"]}, "provider_options": {FORMAT: {"x": 1}}}
    assert bulk.run(lines, None, in_flight=1, **more).valid == 3
    assert [(body["max_tokens"], body["stop"]) for body in bodies] == [(7, ["z"]), (5, ["z"]), (10, ["a"])]
    assert [(body.get("store"), body["x"]) for body in bodies] == [(None, 1), (None, 1), (True, 1)]


def test_rows_may_be_conversations(bulk: Bulk) -> None:
    """With the system prompt of the specification, filled from the row, before them."""
    bodies: list[dict[str, Any]] = []
    bulk.witness.saw = bodies.append
    row = {"who": "Ada", "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}]}
    row["messages"].append({"role": "user", "content": "more"})  # type: ignore[attr-defined]
    assert bulk.run([row], None, system="You talk to {{ who }}.").valid == 1
    assert [message["content"] for message in bodies[0]["messages"]] == ["You talk to Ada.", "hi", "yes?", "more"]


def test_a_line_with_a_schema_of_its_own_is_validated_by_it(bulk: Bulk) -> None:
    """And asked again once; a line without one is not."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}

    def behave(_: Any, question: str, number: int) -> Any:
        return bulk.said('{"n": 7}' if question.startswith("That answer does not fit") else "seven")

    bulk.witness.behave = behave
    summary = bulk.run([_line(0, response_format=form), _line(1)], None)
    assert (summary.valid, summary.calls) == (2, 3)
    assert [line["answer"] for line in bulk.lines()] == [{"n": 7}, "seven"]


def test_calls_of_tools_are_answers(bulk: Bulk) -> None:
    """They stand beside the text, which may be empty, and no schema is asked of them."""
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
    bodies: list[dict[str, Any]] = []
    bulk.witness.saw = bodies.append
    bulk.witness.behave = lambda *_: bulk.called("look_up", '{"q": 1}')
    summary = bulk.run(bulk.numbered(1), tools=[tool], tool_choice="auto", schema={"type": "object"})
    assert (summary.valid, summary.calls) == (1, 1)
    assert bodies[0]["tools"][0]["function"]["name"] == "look_up"
    (line,) = bulk.lines()
    assert line["airouter"]["tool_calls"] == [{"name": "look_up", "arguments_json": '{"q": 1}'}]


def test_pictures_are_read_below_their_folder_and_addresses_passed_on(bulk: Bulk, tmp_path: Path) -> None:
    """They are part of the question: another picture is another question."""
    bodies: list[dict[str, Any]] = []
    bulk.witness.saw = bodies.append
    (tmp_path / "a.png").write_bytes(PIXEL)
    (tmp_path / "b.png").write_bytes(PIXEL + b"b")
    rows = [{"q": "what?", "p": name} for name in ("a.png", "b.png", "a.png", "https://example.com/c.png")]
    summary = bulk.run(rows, images=["{{ p }}"], images_folder=str(tmp_path), in_flight=1)
    assert (summary.rows, summary.calls) == (4, 3)
    urls = [body["messages"][0]["content"][0]["image_url"]["url"] for body in bodies]
    assert urls[0].startswith("data:image/png;base64,")
    assert urls[2] == "https://example.com/c.png"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("../secret.png", "not below"),
        ("/etc/passwd", "not below"),
        ("link.png", "not below"),
        ("text.png", "no image"),
        ("none.png", "cannot read"),
        ("large.png", "more than 20 MiB"),
        ("http://localhost/a.png", "open net"),
        ("http://10.0.0.1/a.png", "open net"),
        ("http://[::1]/a.png", "open net"),
        ("ftp://example.com/a.png", "cannot read"),
        ("a\0.png", "no path"),
    ],
)
def test_a_row_reaches_no_file_and_no_host_that_it_should_not(tmp_path: Path, said: str, told: str) -> None:
    """A table may come from anybody."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(PIXEL)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "text.png").write_text("words")
    with (folder / "large.png").open("wb") as file:
        file.write(PIXEL)
        file.truncate(21 << 20)
    spec = Spec.of({"target": "a/b", "prompt": "?", "images": ["{{ p }}"], "images_folder": str(folder)})
    asked = Questions(spec, "b").asked(Row(b"{}", {"p": said}), 0)
    assert told in str(asked.problem)


def test_pictures_lie_beside_the_specification_unless_said_otherwise(tmp_path: Path) -> None:
    """Wherever it is run, and resumed; and the bytes of one are not kept until it is asked."""
    (tmp_path / "a.png").write_bytes(PIXEL)
    path = tmp_path / "spec.toml"
    path.write_text('target = "a/b"\nprompt = "?"\nimages = ["{{ p }}"]\n')
    asked = Questions(Spec.of(path), "b").asked(Row(b"{}", {"p": "a.png"}), 0)
    assert asked.key is not None
    assert asked.ask is None
    (part, _) = Questions(Spec.of(path), "b").ask({"p": "a.png"}).messages[0].parts
    assert isinstance(part, FilePart)
    assert part.data == PIXEL
    with pytest.raises(SpecError, match="images go with a prompt"):
        Spec.of({"target": "a/b", "images": ["{{ p }}"]})


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://example.com/a", True),
        ("http://8.8.8.8/", True),
        ("http://127.1/", False),
        ("http://2130706433/", False),
        ("http://0x7f.0.0.1/", False),
        ("http://[::ffff:10.0.0.1]/", False),
        ("http://[fe80::1%25eth0]/", False),
        ("http://printer/", False),
        ("http://printer.local./", False),
        ("http://metadata.google.internal/", False),
        ("http://user@192.168.0.1:80/", False),
        ("http://", False),
    ],
)
def test_addresses_of_a_network_of_ones_own_are_known(url: str, public: bool) -> None:
    """Also where a number or a name hides them."""
    assert may_be_public(url) is public


def test_a_table_in_parquet_is_asked_and_comes_out_as_one(bulk: Bulk, tmp_path: Path) -> None:
    """The same rows as in lines of JSON; all shards have one schema, and the same run the same bytes."""
    arrow = pytest.importorskip("pyarrow", reason="airouter-bulk[parquet] is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"n": n, "q": f"question {n}", "tags": ["a"] * n, "at": None if n < 3 else {"x": n}} for n in range(6)]
    rows[5]["mixed"] = 1
    rows[4]["mixed"] = "one"
    parquet.write_table(arrow.table({"q": ["question 7"], "when": [None], "size": [1.5]}), tmp_path / "in.parquet")
    assert bulk.run(tmp_path / "in.parquet", format="parquet").valid == 1
    assert bulk.run([*rows, {"n": 9}], format="parquet", shard=2, fork=True).valid == 6
    paths = sorted(bulk.folder.glob("answers-*"))
    assert [path.name for path in paths] == [f"answers-0000{n}.parquet" for n in range(4)]
    tables = [parquet.read_table(path) for path in paths]
    assert len({str(table.schema.remove_metadata()) for table in tables}) == 1
    told = [row for table in tables for row in table.to_pylist()]
    assert [row["answer"] for row in told] == [f"answer to question {n}" for n in range(6)]
    assert [row["tags"] for row in told] == [["a"] * n for n in range(6)]
    assert [row["mixed"] for row in told[4:]] == ['"one"', "1"]
    assert told[0]["airouter"]["usage"] == {"input_tokens": 20, "output_tokens": 10}
    assert [line["n"] for line in bulk.lines("errors.jsonl")] == [9]
    before = [path.read_bytes() for path in paths]
    bulk.run(None, format="parquet", shard=2)
    assert [path.read_bytes() for path in paths] == before
    bulk.run(None, shard=100)
    assert [path.name for path in bulk.folder.glob("answers-*")] == ["answers-00000.jsonl"]


@pytest.mark.parametrize(
    "values",
    [
        [1, 1.5, None, 2],
        [2**53 + 1, 1.5],
        [1.5, -(2**63)],
        [1.5, True],
        [[1.5, True], [2.0]],
        [{"a": 2**53 + 1}, {"a": 0.5}],
        [{"a": 1, "b": True}, {"a": 0.5, "b": False}],
        [2**63, 1],
        [10**30, 1],
        [True, "x"],
    ],
)
@pytest.mark.parametrize("chunk", [1, 1000])
def test_no_value_is_another_one_in_parquet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[Any], chunk: int
) -> None:
    """However the rows are cut: what fits no one type is written as JSON, and none is made to fit."""
    pytest.importorskip("pyarrow", reason="airouter-bulk[parquet] is not installed")
    monkeypatch.setattr(parquet, "CHUNK", chunk)
    lines = [json.dumps({"n": number, "v": value}).encode() for number, value in enumerate(values)]
    schema = parquet.schema_of([lines])
    parquet.write(lines, schema, str(tmp_path / "x.parquet"))
    found = [row["v"] for row in parquet.rows_in(str(tmp_path / "x.parquet"))]
    if schema.field("v").metadata:
        found = [None if value is None else json.loads(value) for value in found]
    assert found == values
    assert list(map(_kinds, found)) == list(map(_kinds, values))


def _kinds(value: Any) -> Any:
    """Where truth values are, which are equal to numbers."""
    if isinstance(value, dict):
        return {name: _kinds(item) for name, item in value.items()}
    return [_kinds(item) for item in value] if isinstance(value, list) else isinstance(value, bool)


def test_what_is_no_parquet_is_said_to_be_none(bulk: Bulk, tmp_path: Path) -> None:
    """Before anything is asked."""
    pytest.importorskip("pyarrow", reason="airouter-bulk[parquet] is not installed")
    (tmp_path / "in.parquet").write_text("rows")
    with pytest.raises(ConfigurationError, match="cannot be read as Parquet"):
        bulk.run(tmp_path / "in.parquet")
