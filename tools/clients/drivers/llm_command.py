"""The ``llm`` command, with its models file."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from driver import KEY, MODEL, QUESTION, URL, handed_on, place, run

folder = Path(tempfile.mkdtemp(prefix="llm-"))
entry = {
    "model_id": "it",
    "model_name": MODEL,
    "api_base": f"{URL}/v1",
    "supports_tools": True,
    "supports_schema": True,
}
(folder / "extra-openai-models.yaml").write_text(json.dumps([entry]))
COMMAND = [str(Path(sys.executable).with_name("llm")), "-m", "it", QUESTION, "--key", KEY, "--no-log"]
ENVIRON = {"LLM_USER_PATH": str(folder)}


def asked(*options):
    environ = {**os.environ, **ENVIRON}
    done = subprocess.run(
        [*COMMAND, *options], env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stderr.strip() or done.stdout)
    return done.stdout


def tool():
    code = 'def get_weather(city: str) -> str:\n    "The weather in a city."\n    return "rain in " + city\n'
    return asked("--functions", code)


run(
    text=lambda: asked("--no-stream"),
    stream=lambda: handed_on(COMMAND, ENVIRON) and None,
    tool=tool,
    form=lambda: place(asked("--schema", "city, degrees int")),
)
