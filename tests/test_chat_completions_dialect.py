"""What a server of the chat-completions format may do its own way, as a value of its dialect."""

from __future__ import annotations

import json
from typing import Any

from airouter_core.config.http import HttpConfig
from airouter_core.dialects.chat_completions.dialect import FINISH_REASONS, ChatDialect
from airouter_core.values.folding import fold
from airouter_core.values.messages import Message
from airouter_core.values.request import Request
from airouter_core.values.response import Response
from airouter_core.wire.failures import ErrorTable

ERRORS = ErrorTable("p")


def streamed(dialect: ChatDialect, *chunks: Any) -> Response:
    """The response that a stream of these chunks adds up to."""
    parser = dialect.wire().open_stream()
    data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return fold((*parser.feed(data.encode()), *parser.close()))


def test_answers_of_another_shape_are_put_into_the_format() -> None:
    """A dialect may change each chunk and each whole answer before it is read."""

    def received(chunk: dict[str, Any]) -> dict[str, Any]:
        return {"choices": [{"index": 0, "delta": {"content": chunk["said"]}, "finish_reason": chunk.get("why")}]}

    dialect = ChatDialect(provider="p", errors=ERRORS, received=received)
    assert streamed(dialect, {"said": "one "}, {"said": "two", "why": "length"}).text == "one two"
    whole = fold(dialect.wire().parse_body(b'{"said": "three", "why": "stop"}'))
    assert (whole.text, whole.finish_reason) == ("three", "stop")


def test_reasons_to_stop_of_a_servers_own() -> None:
    """A dialect says what further reasons mean; the raw one stays beside it, and one that nobody knows is another."""
    reasons = {**FINISH_REASONS, "sensitive": "content_filter"}
    dialect = ChatDialect(provider="p", errors=ERRORS, finish_reasons=reasons)
    for raw, meant in {"sensitive": "content_filter", "stop": "stop", "novel": "other"}.items():
        answer = streamed(dialect, {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": raw}]})
        assert (answer.finish_reason, answer.raw_finish_reason) == (meant, raw)


def test_a_path_may_name_the_model() -> None:
    """Where each model has an address, its name stands in the path, escaped."""
    dialect = ChatDialect(provider="p", errors=ERRORS, path="deployments/{model}/chat/completions")
    request = Request(model="my model/1", messages=(Message.user("hi"),))
    sent = dialect.wire().build_request(request, HttpConfig(base_url="http://h/openai"), stream=False)
    assert sent.url == "http://h/openai/deployments/my%20model%2F1/chat/completions"


def test_a_first_chunk_about_the_prompt_does_not_give_the_answer_its_identity() -> None:
    """Id and model are those of the answer, where a chunk about the prompt alone comes before it without them."""
    dialect = ChatDialect(provider="p", errors=ERRORS)
    prompt: dict[str, Any] = {"id": "", "model": "m", "choices": [], "prompt_filter_results": []}
    said = {"id": "i", "model": "m-1", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]}
    answer = streamed(dialect, prompt, said)
    assert (answer.id, answer.model) == ("i", "m-1")
