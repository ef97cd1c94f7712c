"""Haystack's generators for chat completions and Responses."""

from driver import KEY, MODEL, QUESTION, URL, VARIANT, place, run, weather
from haystack.components.generators.chat import OpenAIChatGenerator, OpenAIResponsesChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.tools import create_tool_from_function
from haystack.utils import Secret
from pydantic import BaseModel

kind = OpenAIResponsesChatGenerator if VARIANT == "responses" else OpenAIChatGenerator
FORMAT = "text_format" if VARIANT == "responses" else "response_format"
ASKED = [ChatMessage.from_user(QUESTION)]


class Place(BaseModel):
    city: str
    degrees: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return weather(city)


def generator(**more):
    return kind(api_key=Secret.from_token(KEY), model=MODEL, api_base_url=f"{URL}/v1", max_retries=0, **more)


def text():
    return generator().run(ASKED)["replies"][0].text


def stream():
    count = 0

    def seen(chunk):
        nonlocal count
        count += bool(chunk.content)
        print(chunk.content, end="", flush=True)

    generator(streaming_callback=seen).run(ASKED)
    print(f"\nPIECES {count}")


def tool():
    asking = generator(tools=[create_tool_from_function(get_weather)])
    said = asking.run(ASKED)["replies"][0]
    result = ChatMessage.from_tool(get_weather(**said.tool_call.arguments), said.tool_call)
    return asking.run([*ASKED, said, result])["replies"][0].text


def form():
    place(generator(generation_kwargs={FORMAT: Place}).run(ASKED)["replies"][0].text)


run(text=text, stream=stream, tool=tool, form=form)
