"""The ``litellm`` package as a client, over three dialects."""

import litellm
from driver import CITY, KEY, MESSAGES, MODEL, URL, VARIANT, joined, place, run, weather_of
from pydantic import BaseModel

litellm.telemetry = False
litellm.suppress_debug_info = True
ASKED = {
    "model": f"{VARIANT}/{MODEL}",
    "api_base": f"{URL}/v1" if VARIANT == "openai" else URL,
    "api_key": KEY,
    "num_retries": 0,
    "max_retries": 0,
}


class Place(BaseModel):
    city: str
    degrees: int


def text():
    return litellm.completion(messages=MESSAGES, **ASKED).choices[0].message.content


def stream():
    chunks = litellm.completion(messages=MESSAGES, stream=True, **ASKED)
    joined(chunk.choices[0].delta.content for chunk in chunks if chunk.choices)


def tool():
    function = {"name": "get_weather", "description": "the weather", "parameters": CITY}
    tools = [{"type": "function", "function": function}]
    said = litellm.completion(messages=MESSAGES, tools=tools, **ASKED).choices[0].message
    (call,) = said.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": weather_of(call.function.arguments)}
    again = [*MESSAGES, said.model_dump(exclude_none=True), result]
    return litellm.completion(messages=again, tools=tools, **ASKED).choices[0].message.content


def form():
    place(litellm.completion(messages=MESSAGES, response_format=Place, **ASKED).choices[0].message.content)


run(text=text, stream=stream, tool=tool, form=form)
