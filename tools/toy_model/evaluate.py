"""Examine a model file with the real llama.cpp, over HTTP: tokens, template, answers, JSON, tools, embeddings.

``PYTHONPATH=tools python -m toy_model.evaluate models/airouter-toy/airouter-toy.gguf``
"""

import argparse
import json
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import requests
import xllamacpp

from toy_model import chat, corpus, facts, kinds, tool_use
from toy_model.chat import Turn
from toy_model.export import token_types
from toy_model.phrasings import vary
from toy_model.tokenizer import Tokenizer

EXAM_SEED = 7  # not a training seed
WEATHER_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PERSON_SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}, "ok": {"type": "boolean"}},
    "required": ["name", "age", "ok"],
    "additionalProperties": False,
}


class Engine:
    """llama.cpp's own server, in this process."""

    def __init__(self, model: Path, embedding: bool = False) -> None:
        """Load a model and serve it on a free port."""
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(model)
        parameters.n_ctx, parameters.n_parallel, parameters.port = 2048, 1, 0
        parameters.cpuparams.n_threads, parameters.verbosity, parameters.embedding = 1, 1, embedding
        if embedding:
            parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        self._server = xllamacpp.Server(parameters)
        self._session = requests.Session()

    def post(self, path: str, **body: Any) -> Any:
        """The parsed answer; an error is raised with the server's own words."""
        reply = self._session.post(self._server.listening_address + path, json=body, timeout=60)
        if not reply.ok:
            raise RuntimeError(f"{path}: {reply.status_code} {reply.text}")
        return reply.json()

    def chat(self, turns: list[Turn], **more: object) -> dict[str, Any]:
        """The first choice of a chat request at temperature 0."""
        messages = [{"role": turn.role, "content": turn.text} for turn in turns]
        body: dict[str, object] = {"messages": messages, "temperature": 0, "max_tokens": 120} | more
        choice: dict[str, Any] = self.post("/v1/chat/completions", **body)["choices"][0]
        return choice

    def ask(self, question: str, system: str | None = None) -> str:
        """The answer to one question, marked when it did not end by itself."""
        turns = [Turn("system", system)] if system else []
        choice = self.chat([*turns, Turn("user", question)])
        return str(choice["message"]["content"]) + (
            "" if choice["finish_reason"] == "stop" else f" [{choice['finish_reason']}]"
        )


@dataclass(frozen=True)
class Mark:
    """How a set of questions went."""

    right: int
    asked: int

    def __str__(self) -> str:
        """Both numbers and the share."""
        return f"{self.right}/{self.asked} = {100 * self.right / max(1, self.asked):.1f} %"


def read_tokenizer(model: Path) -> Tokenizer:
    """The tokenizer as the file has it."""
    vocabulary: list[str] = gguf.GGUFReader(model).fields["tokenizer.ggml.tokens"].contents()
    plain = Tokenizer(())
    assert vocabulary[: len(plain.vocabulary)] == plain.vocabulary
    assert token_types(plain)
    return Tokenizer(tuple(vocabulary[len(plain.vocabulary) :]))


def check_tokens(engine: Engine, tokenizer: Tokenizer, count: int = 400) -> Mark:
    """Whether llama.cpp cuts rendered conversations as the training did, odd characters included."""
    rng = random.Random(EXAM_SEED)
    texts = [
        "naïve café, 東京 😀\ttab  two spaces\n\nlines",
        "WHAT IS THIS?!",
        'x = {"a": [1, 2.5]} <tool_call> <s> <|im_end|>',
        "  lead",
    ]
    for dialogue in corpus.dialogues(rng):
        texts.append(dialogue.written())
        if len(texts) >= count:
            break
    right = 0
    for text in texts:
        theirs = engine.post("/tokenize", content=text, add_special=False, parse_special=True)["tokens"]
        ours = tokenizer.encode(text)
        right += theirs == ours
        if theirs != ours:
            print(
                "tokens differ:",
                repr(text),
                [tokenizer.vocabulary[n] for n in theirs],
                [tokenizer.vocabulary[n] for n in ours],
            )
    return Mark(right, len(texts))


def check_template(engine: Engine, count: int = 200) -> Mark:
    """Whether the template in the file writes conversations as the training did."""
    rng = random.Random(EXAM_SEED)
    right = asked = 0
    for dialogue in corpus.dialogues(rng):
        if any("<tool_call>" in turn.text for turn in dialogue.turns):
            continue
        messages = [{"role": turn.role, "content": turn.text} for turn in dialogue.turns[:-1]]
        body = {"tools": list(dialogue.tools)} if dialogue.tools else {}
        theirs = engine.post("/apply-template", messages=messages, **body)["prompt"]
        ours = (
            "".join(span.text for span in chat.render(dialogue.turns[:-1], dialogue.tools)) + "<|im_start|>assistant\n"
        )
        right += theirs == ours
        if theirs != ours:
            print("template differs:", repr(theirs), repr(ours))
        asked += 1
        if asked >= count:
            return Mark(right, asked)
    raise AssertionError("the corpus never ends")


def check_answers(engine: Engine, held_back: bool, per_kind: int, varied: bool) -> dict[str, Mark]:
    """Exact answers, for each kind of question; half of the varied questions have a system prompt in front."""
    rng = random.Random(EXAM_SEED + held_back)
    marks: dict[str, Mark] = {}
    wrong: Counter[str] = Counter()
    for kind in kinds.KINDS:
        exchanges = {
            found.question: found for found in (kind(rng) for _ in range(40 * per_kind)) if found.held_back == held_back
        }
        right = 0
        chosen = list(exchanges.values())[:per_kind]
        for exchange in chosen:
            question = vary(rng, exchange.question) if varied else exchange.question
            system = rng.choice(facts.SYSTEM_PROMPTS) if varied and rng.random() < 0.5 else None
            answer = engine.ask(question, system)
            right += answer == exchange.answer
            if answer != exchange.answer and wrong[kind.__name__] < 3:
                wrong[kind.__name__] += 1
                print(f"  {question!r} -> {answer!r}")
        if chosen:
            marks[kind.__name__] = Mark(right, len(chosen))
    return marks


def check_conversations(engine: Engine, count: int = 100) -> Mark:
    """The last answer of conversations of two or three questions, of which none is held back."""
    rng = random.Random(EXAM_SEED)
    right = asked = 0
    for dialogue in corpus.dialogues(rng):
        users = [turn for turn in dialogue.turns if turn.role == "user"]
        if dialogue.tools or len(users) < 2:
            continue
        *before, last = dialogue.turns
        right += engine.chat(before)["message"]["content"] == last.text
        asked += 1
        if asked >= count:
            return Mark(right, asked)
    raise AssertionError("the corpus never ends")


def check_tool_use(engine: Engine, count: int = 60) -> dict[str, Mark]:
    """Conversations with tools, choosing freely: calls, answers to results, and questions the tool does not fit."""
    rng = random.Random(EXAM_SEED)
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    while sum(asked.values()) < 3 * count:
        dialogue = tool_use.dialogue(rng)
        *before, last = dialogue.turns
        kind = "call" if last.text.startswith("<tool_call>") else "result" if before[-1].role == "tool" else "no call"
        if kind == "no call" and "<tool_call>" in last.text:  # such a call is never to be chosen freely
            continue
        asked[kind] += 1
        messages = [_message(turn) for turn in before]
        body = {"messages": messages, "tools": list(dialogue.tools), "temperature": 0, "max_tokens": 120}
        message = engine.post("/v1/chat/completions", **body)["choices"][0]["message"]
        if kind == "call":
            calls = message.get("tool_calls") or []
            wanted = json.loads(last.text.removeprefix("<tool_call>").removesuffix("</tool_call>"))
            right[kind] += [
                (call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls
            ] == [(wanted["name"], wanted["arguments"])]
        else:
            right[kind] += message["content"] == last.text
    return {kind: Mark(right[kind], asked[kind]) for kind in sorted(asked)}


def _message(turn: Turn) -> dict[str, object]:
    """The turn as the HTTP interface wants it."""
    if turn.role == "assistant" and turn.text.startswith("<tool_call>"):
        call = json.loads(turn.text.removeprefix("<tool_call>").removesuffix("</tool_call>"))
        function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": function}],
        }
    if turn.role == "tool":
        return {"role": "tool", "tool_call_id": "1", "content": turn.text}
    return {"role": turn.role, "content": turn.text}


def check_forced(engine: Engine) -> dict[str, object]:
    """Answers in a given form: a JSON schema, any JSON object, a tool call that must be made."""
    person: dict[str, object] = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON_SCHEMA}}
    found: dict[str, object] = {}
    for question in ("Who are you?", "Who is Anna?"):
        found[f"json_schema, {question}"] = json.loads(
            engine.chat([Turn("user", question)], response_format=person)["message"]["content"]
        )
    reply = engine.chat([Turn("user", "Hello!")], response_format={"type": "json_object"})
    found["json_object"] = (reply["message"]["content"], reply["finish_reason"])
    for question in ("What is the weather in Paris?", "Hello!", "What is the capital of France?"):
        choice = engine.chat([Turn("user", question)], tools=[WEATHER_TOOL], tool_choice="required")
        found[f"required, {question}"] = (
            choice["finish_reason"],
            choice["message"].get("tool_calls"),
            choice["message"].get("content"),
        )
    return found


def check_embeddings(model: Path) -> str:
    """Embeddings, and whether like is near like."""
    engine = Engine(model, embedding=True)
    texts = ["What is the capital of France?", "Tell me the capital of Italy.", "What is 3 + 4?"]
    vectors = [entry["embedding"] for entry in engine.post("/v1/embeddings", input=texts)["data"]]
    near, far = (sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:])
    return f"{len(vectors[0])} numbers; capital/capital {near:.2f}, capital/sum {far:.2f}"


def main() -> None:
    """Run every check and print the figures."""
    parser = argparse.ArgumentParser(prog="toy_model.evaluate", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--per-kind", type=int, default=40, help="questions of each kind (default: %(default)s)")
    arguments = parser.parse_args()
    engine = Engine(arguments.model)
    print("tokens like llama.cpp's:", check_tokens(engine, read_tokenizer(arguments.model)))
    print("template like llama.cpp's:", check_template(engine))
    for held_back in (False, True):
        for varied in (False, True):
            marks = check_answers(engine, held_back, arguments.per_kind, varied)
            total = Mark(sum(mark.right for mark in marks.values()), sum(mark.asked for mark in marks.values()))
            print("held back" if held_back else "trained", "varied" if varied else "as written", total)
            print("   " + "; ".join(f"{kind} {mark.right}/{mark.asked}" for kind, mark in marks.items()))
    print("conversations:", check_conversations(engine))
    print("tools:", {kind: str(mark) for kind, mark in check_tool_use(engine).items()})
    for name, value in check_forced(engine).items():
        print(name, "->", value)
    print("embeddings:", check_embeddings(arguments.model))


if __name__ == "__main__":
    main()
