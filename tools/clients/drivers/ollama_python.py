"""The ``ollama`` package."""

import ollama
from driver import MESSAGES, MODEL, PLACE, URL, joined, place, run, weather, weather_of

client = ollama.Client(host=URL)


def get_weather(city: str) -> str:
    """The weather.

    Args:
        city: of which.
    """
    return weather(city)


def text():
    return client.chat(model=MODEL, messages=MESSAGES).message.content


def stream():
    last = None

    def pieces():
        nonlocal last
        for last in client.chat(model=MODEL, messages=MESSAGES, stream=True):
            yield last.message.content

    joined(pieces())
    assert last is not None
    assert last.done, "the last line says that it is not done"


def tool():
    said = client.chat(model=MODEL, messages=MESSAGES, tools=[get_weather]).message
    (call,) = said.tool_calls
    result = {"role": "tool", "tool_name": call.function.name, "content": weather_of(dict(call.function.arguments))}
    return client.chat(model=MODEL, messages=[*MESSAGES, said, result], tools=[get_weather]).message.content


def form():
    place(client.chat(model=MODEL, messages=MESSAGES, format=PLACE).message.content)


run(text=text, stream=stream, tool=tool, form=form)
