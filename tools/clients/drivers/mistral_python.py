"""``mistralai``: chat completions as another vendor writes them."""

from driver import CITY, KEY, MESSAGES, MODEL, URL, joined, place, run, weather_of
from mistralai.client import Mistral
from mistralai.client.utils import RetryConfig
from pydantic import BaseModel

client = Mistral(server_url=URL, api_key=KEY, retry_config=RetryConfig("none", None, False))
TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "the weather", "parameters": CITY}}]


class Place(BaseModel):
    city: str
    degrees: int


def text():
    return client.chat.complete(model=MODEL, messages=MESSAGES).choices[0].message.content


def stream():
    with client.chat.stream(model=MODEL, messages=MESSAGES) as events:
        chunks = [event.data for event in events]
    assert chunks[-1].choices[0].finish_reason == "stop", "the stream has no end"
    joined(chunk.choices[0].delta.content for chunk in chunks)


def tool():
    said = client.chat.complete(model=MODEL, messages=MESSAGES, tools=TOOLS).choices[0].message
    (call,) = said.tool_calls
    given = call.function.arguments
    result = {"role": "tool", "name": "get_weather", "tool_call_id": call.id, "content": weather_of(given)}
    return client.chat.complete(model=MODEL, messages=[*MESSAGES, said, result], tools=TOOLS).choices[0].message.content


def form():
    place(client.chat.parse(model=MODEL, messages=MESSAGES, response_format=Place).choices[0].message.parsed)


run(text=text, stream=stream, tool=tool, form=form)
