"""``guidance``."""

from driver import KEY, MODEL, QUESTION, URL, place, run
from guidance import assistant, gen, json, models, user
from pydantic import BaseModel


class Place(BaseModel):
    """A place."""

    city: str
    degrees: int


def asked(wanted):
    it = models.OpenAI(MODEL, base_url=f"{URL}/v1", api_key=KEY, echo=False, max_retries=0)
    with user():
        it += QUESTION
    with assistant():
        it += wanted
    return it["said"]


def text():
    return asked(gen("said", max_tokens=100))


def form():
    place(asked(json("said", schema=Place)))


run(text=text, form=form)
