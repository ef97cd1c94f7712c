"""A budget as a hook: a provider that answers until its tokens are used up.

python examples/budget.py
"""

from __future__ import annotations

import threading
from pathlib import Path

from airouter_core import Call, CallVetoedError, Outcome, create_provider, hookimpl
from airouter_core.plugins.registry import installed

MODELS = Path(__file__).parents[1] / "models"


class Budget:
    """Counts output tokens, and refuses calls when they are used up."""

    def __init__(self, tokens: int) -> None:
        self._left = tokens
        self._lock = threading.Lock()

    @hookimpl
    def airouter_admit_call(self, call: Call) -> None:
        if self._left <= 0:
            raise CallVetoedError(f"the budget is used up; {call.request.model} was not asked")

    @hookimpl
    def airouter_call_ended(self, outcome: Outcome) -> None:
        with self._lock:
            self._left -= outcome.response.usage.output_tokens or 0


def main() -> None:
    plugins = installed().plus(Budget(tokens=60))
    with create_provider("llama-cpp", {"models_dir": str(MODELS)}, plugins=plugins) as provider:
        for question in ("What is airouter?", "What is a plugin?", "What is GGUF?"):
            try:
                print(provider.execute("airouter-toy", question))
            except CallVetoedError as error:
                print(error)


if __name__ == "__main__":
    main()
