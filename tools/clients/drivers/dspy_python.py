"""DSPy: its model alone, and a signature of typed fields."""

import dspy
from driver import KEY, MODEL, QUESTION, URL, VARIANT, place, run

kind = "responses" if VARIANT == "responses" else "chat"
model = dspy.LM(
    f"openai/{MODEL}", model_type=kind, api_base=f"{URL}/v1", api_key=KEY, num_retries=0, max_retries=0, cache=False
)


class Ask(dspy.Signature):
    """Where is it how warm?"""

    question: str = dspy.InputField()
    city: str = dspy.OutputField()
    degrees: int = dspy.OutputField()


def text():
    (said,) = model(QUESTION)
    return said if isinstance(said, str) else said["text"]


def form():
    with dspy.context(lm=model, adapter=dspy.JSONAdapter()):
        place(dspy.Predict(Ask)(question=QUESTION).toDict())


run(text=text, **({"form": form} if VARIANT == "responses" else {}))
