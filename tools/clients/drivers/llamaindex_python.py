"""LlamaIndex, by its class for servers that speak as OpenAI's."""

from driver import KEY, MODEL, QUESTION, URL, joined, place, run, weather_of
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

model = OpenAILike(
    model=MODEL,
    api_base=f"{URL}/v1",
    api_key=KEY,
    max_retries=0,
    is_chat_model=True,
    is_function_calling_model=True,
    context_window=4096,
)


class Place(BaseModel):
    """A place."""

    city: str
    degrees: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return weather_of({"city": city})


def text():
    return model.chat([ChatMessage(role="user", content=QUESTION)]).message.content


def stream():
    joined(piece.delta for piece in model.stream_chat([ChatMessage(role="user", content=QUESTION)]))


def tool():
    offered = FunctionTool.from_defaults(get_weather)
    return model.predict_and_call([offered], user_msg=QUESTION).response


def form():
    place(model.as_structured_llm(Place).complete(QUESTION).raw)


run(text=text, stream=stream, tool=tool, form=form)
