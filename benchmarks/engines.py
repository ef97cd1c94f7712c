"""What a call of the toy model costs in each mode of llama.cpp: python -m benchmarks.engines.

Needs the programs of `make engines`; writes benchmarks/ENGINES.md. A warm server is to cost at most 1/20 of a run of
llama-cli, whatever the machine, so the ratio is what counts.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from airouter_core import ConfigurationError, create_provider

ROOT = Path(__file__).parents[1]
PROGRAMS = ROOT / ".cache" / "engines" / "llamacpp" / "bin" / "llama-cli"
TARGET = ROOT / "benchmarks" / "ENGINES.md"
ROUNDS = 15
BOUND = 20
QUESTION = "What is the capital of France?"


def main() -> int:
    """Measure, write, and tell whether the bound is met."""
    if not PROGRAMS.exists():
        print(f"there is no {PROGRAMS}: make engines")
        return 2
    settings = {"models_dir": str(ROOT / "models"), "llama_cpp_path": str(PROGRAMS), "default_threads": 1}
    medians: dict[str, float] = {}
    for mode in ("embedded", "server", "cli"):
        try:
            with create_provider("llama-cpp", {**settings, "mode": mode}) as provider:
                medians[mode] = _median(
                    lambda provider=provider: provider.execute("airouter-toy", QUESTION, parameters={"temperature": 0})
                )
        except ConfigurationError as error:
            print(f"{mode}: {error}")
    ratio = medians["cli"] / medians["server"]
    lines = [
        "# A call of the toy model, by mode",
        "",
        f"`make bench-engines` on {time.strftime('%Y-%m-%d')}: medians of {ROUNDS} warm calls, wall clock, one thread,",
        f"`{QUESTION}`.",
        "",
        "| mode | one call | of one run of llama-cli |",
        "|---|---:|---:|",
        *(
            f"| {mode} | {seconds * 1000:.1f} ms | 1/{medians['cli'] / seconds:.0f} |"
            for mode, seconds in medians.items()
        ),
        "",
        f"A warm server costs 1/{ratio:.0f} of a run of llama-cli; the bound is 1/{BOUND}.",
        "",
    ]
    TARGET.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
    return 0 if ratio >= BOUND else 1


def _median(call: Callable[[], str]) -> float:
    call()
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


if __name__ == "__main__":
    sys.exit(main())
