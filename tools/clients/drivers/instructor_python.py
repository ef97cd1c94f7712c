"""``instructor``: structured answers, by tools and by JSON Schema."""

import anthropic
import instructor
import openai
from driver import KEY, MESSAGES, MODEL, URL, VARIANT, place, run
from pydantic import BaseModel


class Place(BaseModel):
    """A place."""

    city: str
    degrees: int


def form():
    if VARIANT == "anthropic":
        client = instructor.from_anthropic(anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0))
        more = {"max_tokens": 200}
    else:
        mode = instructor.Mode.JSON_SCHEMA if VARIANT == "schema" else instructor.Mode.TOOLS
        client = instructor.from_openai(openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0), mode=mode)
        more = {}
    made = client.chat.completions.create(model=MODEL, messages=MESSAGES, response_model=Place, max_retries=0, **more)
    place(made)


run(form=form, error=form)
