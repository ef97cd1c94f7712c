"""Draw the session that the README shows, from what the commands really print: python tools/write_session.py."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "session.svg"
COMMANDS = (
    'airouter run -p llama-cpp -m airouter-toy "What is airouter?"',
    'airouter run -p llama-cpp -m airouter-toy -o temprature=0 "Hello!"',
    "airouter models llama-cpp",
    "airouter doctor llama-cpp",
)
# The picture must show the same everywhere: no font is fetched.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main() -> None:
    console = Console(record=True, width=100, file=io.StringIO(), force_terminal=True)
    environment = {**os.environ, "AIROUTER_MODELS_DIR": "models", "COLUMNS": "100"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    for command in COMMANDS:
        console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
        result = subprocess.run(
            command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if result.stdout.strip():
            console.print(Text(result.stdout.rstrip()))
        for line in result.stderr.strip().splitlines():
            console.print(Text(line, style="red" if line.startswith("airouter:") else "dim"))
        console.print()
    PICTURE.write_text(console.export_svg(title="airouter", theme=MONOKAI, code_format=FORMAT), encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
