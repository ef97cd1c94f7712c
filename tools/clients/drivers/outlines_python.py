"""``outlines``, over three dialects."""

import outlines
from driver import KEY, MODEL, QUESTION, URL, VARIANT, joined, place, run
from pydantic import BaseModel


class Place(BaseModel):
    """A place."""

    city: str
    degrees: int


more = {}
if VARIANT == "anthropic":
    import anthropic

    model = outlines.from_anthropic(anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0), MODEL)
    more["max_tokens"] = 200
elif VARIANT == "ollama":
    import ollama

    model = outlines.from_ollama(ollama.Client(URL), MODEL)
else:
    import openai

    model = outlines.from_openai(openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0), MODEL)


def text():
    return model(QUESTION, **more)


def stream():
    joined(model.stream(QUESTION, **more))


def form():
    place(model(QUESTION, Place, **more))


run(text=text, stream=stream, form=form)
