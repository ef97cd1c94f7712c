"""LangChain's packages for the three vendors."""

from driver import KEY, MODEL, QUESTION, URL, VARIANT, joined, place, run, weather
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool as as_tool
from pydantic import BaseModel

if VARIANT == "anthropic":
    from langchain_anthropic import ChatAnthropic

    model = ChatAnthropic(model=MODEL, base_url=URL, api_key=KEY, max_retries=0, max_tokens=200)
elif VARIANT == "ollama":
    from langchain_ollama import ChatOllama

    model = ChatOllama(model=MODEL, base_url=URL)
else:
    from langchain_openai import ChatOpenAI

    responses = VARIANT == "responses"
    model = ChatOpenAI(
        model=MODEL, base_url=f"{URL}/v1", api_key=KEY, max_retries=0, use_responses_api=responses, stream_usage=True
    )


class Place(BaseModel):
    """A place."""

    city: str
    degrees: int


@as_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return weather(city)


def text():
    return model.invoke(QUESTION).text


def stream():
    joined(str(chunk.text) for chunk in model.stream(QUESTION))


def tool():
    bound = model.bind_tools([get_weather])
    history = [HumanMessage(QUESTION)]
    said = bound.invoke(history)
    results = [get_weather.invoke(call) for call in said.tool_calls]
    return bound.invoke([*history, said, *results]).text


def form():
    place(model.with_structured_output(Place).invoke(QUESTION))


run(text=text, stream=stream, tool=tool, form=form)
