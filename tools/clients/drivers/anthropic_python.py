"""The ``anthropic`` package."""

import anthropic
from driver import CITY, KEY, MESSAGES, MODEL, PLACE, URL, joined, place, run, weather_of

client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0)
ASKED = {"model": MODEL, "max_tokens": 200}


def text():
    return client.messages.create(messages=MESSAGES, **ASKED).content[0].text


def stream():
    with client.messages.stream(messages=MESSAGES, **ASKED) as events:
        joined(events.text_stream)
        assert events.get_final_message().stop_reason == "end_turn"


def tool():
    tools = [{"name": "get_weather", "description": "the weather", "input_schema": CITY}]
    said = client.messages.create(messages=MESSAGES, tools=tools, **ASKED)
    (call,) = [block for block in said.content if block.type == "tool_use"]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": weather_of(call.input)}
    again = [*MESSAGES, {"role": "assistant", "content": said.content}, {"role": "user", "content": [result]}]
    return client.messages.create(messages=again, tools=tools, **ASKED).content[0].text


def form():
    wanted = {"format": {"type": "json_schema", "schema": PLACE}}
    place(client.messages.create(messages=MESSAGES, output_config=wanted, **ASKED).content[0].text)


run(text=text, stream=stream, tool=tool, form=form)
