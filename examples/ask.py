"""Ask one question: python examples/ask.py What is the capital of France."""

from __future__ import annotations

import sys
from pathlib import Path

from airouter_core import create_provider

MODELS = Path(__file__).parents[1] / "models"


def main() -> None:
    question = " ".join(sys.argv[1:]) or "What is airouter?"
    with create_provider("llama-cpp", {"models_dir": str(MODELS)}) as provider:
        for text in provider.stream_execute("airouter-toy", question):
            print(text, end="", flush=True)
    print()


if __name__ == "__main__":
    main()
