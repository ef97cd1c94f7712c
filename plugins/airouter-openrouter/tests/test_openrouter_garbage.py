"""Whatever the endpoints answer, the library's own errors are all that comes of it."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airouter_core.errors import AirouterError
from airouter_core.wire.http import Operation
from airouter_openrouter.account import CREDITS, KEY
from airouter_openrouter.errors import read_failure
from airouter_openrouter.generation import GENERATION
from airouter_openrouter.media import EMBEDDINGS, IMAGES
from airouter_openrouter.models import MODELS
from airouter_openrouter.search import Search
from airouter_openrouter.wire import WIRE

NAMES = re.findall(
    r"\w+",
    """
    data error id name message code metadata raw reasons flagged_input availability retryable retry_after
    fallback_models error_type provider_name links next pricing prompt completion architecture
    input_modalities output_modalities supported_parameters top_provider context_length max_completion_tokens
    created usage cost b64_json media_type embedding index total_credits total_usage limit limit_remaining
    label expires_at created_at total_cost latency streamed native_tokens_prompt
    """,
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["-1", "0.000001", "NaN", "?offset=1", "2026-01-01", "aGk=", "image/png", "{}", "[1]"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=7),
    max_leaves=25,
)
OPERATIONS: dict[str, Operation[Any]] = {
    "credits": CREDITS,
    "key": KEY,
    "generation": GENERATION,
    "images": IMAGES,
    "embeddings": EMBEDDINGS,
    "models": MODELS,
}


@pytest.mark.parametrize("name", OPERATIONS)
@settings(max_examples=150, deadline=None)
@given(value=values)
def test_no_answer_brings_an_operation_down(name: str, value: Any) -> None:
    """Broken answers are errors of ours; what can be read, is."""
    for answer in (value, {"data": value}, {"data": [value]}):
        with contextlib.suppress(AirouterError):
            found = OPERATIONS[name].parse(json.dumps(answer).encode())
            if name == "models":
                for sort in ("price", "context", "newest", "name"):
                    Search(query="a", max_price=1, supports="tools", free=True, sort=sort).among(found.models)
                    Search(sort=sort).among(found.models)


@settings(max_examples=300, deadline=None)
@given(error=values, status=st.sampled_from([200, 400, 402, 404, 429, 500, 529]))
def test_no_failure_goes_unread(error: Any, status: int) -> None:
    """An error object of any shape becomes an error with a message."""
    assert read_failure(error).message is not None
    found = WIRE.parse_error(status, {}, json.dumps({"error": error}).encode())
    assert str(found).startswith("openrouter: ")
