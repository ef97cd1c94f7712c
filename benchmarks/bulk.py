"""Rows a second of a bulk run, beside a bare loop and what people write or install in its place; same stub, same rows.

    python benchmarks/bulk.py [--rows 20000] [--in-flight 64] [--rounds 3] [--only bare bulk]

``bare`` is asyncio with aiohttp and nothing else: rows are read, posted, and their answers written to a file as they
come; whatever was answered is lost to a second start. ``gather`` is the script that is usually written: all rows at
once under a semaphore. ``calls`` is this library's awaited call in the place of ``bare``'s. ``bulk`` is
``airouter_bulk`` with its journal, as for a provider that bills; in ``bulk-2`` and ``bulk-4`` so many processes make
its calls. ``curator`` takes part where `bespokelabs-curator` is installed. Each runs in a process of its own and they
take turns; the ratio is the median of the rounds'.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import importlib
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

PROMPT = "Which language is row {n} in? Answer with its ISO 639-1 code."
MODEL = "gpt-4o-mini"
BOUND = 0.6
"""Of the bare loop's rate, journal included."""
Post = Callable[[str], Awaitable[str]]


def bare(base: str, folder: str, rows: int, in_flight: int) -> None:
    """So many workers draw from one iterator."""

    async def work() -> None:
        async with _posting(base, in_flight) as post:
            await _drawn(post, folder, rows, in_flight)

    asyncio.run(work())


def calls(base: str, folder: str, rows: int, in_flight: int) -> None:
    """The same with a provider's call."""
    from airouter_core import create_provider

    async def work() -> None:
        async with create_provider("openai", {"base_url": f"{base}/v1", "api_key": "k"}) as provider:
            await _drawn(lambda text: provider.aexecute(MODEL, text), folder, rows, in_flight)

    asyncio.run(work())


def gather(base: str, folder: str, rows: int, in_flight: int) -> None:
    """A task for each row."""

    async def work() -> None:
        gate = asyncio.Semaphore(in_flight)
        async with _posting(base, in_flight) as post:

            async def one(n: int) -> dict[str, Any]:
                async with gate:
                    return {"n": n, "answer": await post(PROMPT.format(n=n))}

            answers = await asyncio.gather(*map(one, range(rows)))
        with open(os.path.join(folder, "answers.jsonl"), "w") as file:
            file.writelines(json.dumps(answer) + "\n" for answer in answers)

    asyncio.run(work())


def bulk(base: str, folder: str, rows: int, in_flight: int, workers: int | None = None) -> None:
    """A run, from its rows to its files."""
    import airouter_bulk
    from airouter_core import ProviderManager

    prompt = PROMPT.replace("{n}", "{{ n }}")
    spec = {"target": f"openai/{MODEL}", "prompt": prompt, "in_flight": in_flight, "workers": workers}
    with ProviderManager() as manager:
        manager.add_provider("openai", {"base_url": f"{base}/v1", "api_key": "k", "max_retries": 0})
        summary = airouter_bulk.run(spec, ({"n": n} for n in range(rows)), folder, manager=manager)
    assert summary.valid == rows, summary


def curator(base: str, folder: str, rows: int, in_flight: int) -> None:
    """The nearest library, as its first page has it. Words stand for tokens, whose tables it would fetch."""
    tiktoken: Any = importlib.import_module("tiktoken")
    tiktoken.get_encoding = tiktoken.encoding_for_model = lambda *_: _Words()
    os.environ |= {"OPENAI_API_KEY": "k", "CURATOR_CACHE_DIR": folder, "CURATOR_DISABLE_RICH_DISPLAY": "1"}
    os.environ |= {"TELEMETRY_ENABLED": "0", "HF_HUB_OFFLINE": "1"}
    from bespokelabs import curator as library

    class Language(library.LLM):
        def prompt(self, row: dict[str, Any]) -> str:
            return PROMPT.format(n=row["n"])

        def parse(self, row: dict[str, Any], response: str) -> dict[str, Any]:
            return {"n": row["n"], "answer": response}

    limits = {"max_requests_per_minute": 10_000_000, "max_tokens_per_minute": 1_000_000_000}
    params = {**limits, "max_concurrent_requests": in_flight, "base_url": f"{base}/v1"}
    asker = Language(model_name=MODEL, backend="openai", backend_params=params)
    answers = asker([{"n": n} for n in range(rows)])
    assert len(getattr(answers, "dataset", answers)) == rows


class _Words:
    def encode(self, text: str, **_: Any) -> list[str]:
        return text.split()


SUBJECTS: dict[str, Callable[[str, str, int, int], None]] = {
    "bare": bare,
    "gather": gather,
    "calls": calls,
    "bulk": bulk,
    "bulk-2": functools.partial(bulk, workers=2),
    "bulk-4": functools.partial(bulk, workers=4),
    "curator": curator,
}


@contextlib.asynccontextmanager
async def _posting(base: str, in_flight: int) -> Any:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as session:

        async def post(text: str) -> str:
            body = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
            url, headers = f"{base}/v1/chat/completions", {"Authorization": "Bearer k"}
            async with session.post(url, json=body, headers=headers) as answer:
                return str((await answer.json())["choices"][0]["message"]["content"])

        yield post


async def _drawn(post: Post, folder: str, rows: int, in_flight: int) -> None:
    numbers = iter(range(rows))
    with open(os.path.join(folder, "answers.jsonl"), "w") as file:

        async def worker() -> None:
            for n in numbers:
                file.write(json.dumps({"n": n, "answer": await post(PROMPT.format(n=n))}) + "\n")

        await asyncio.gather(*(worker() for _ in range(in_flight)))


def _alone(name: str, base: str, rows: int, in_flight: int) -> dict[str, float]:
    """One subject in this process."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_DISK")) as folder:
        began = time.monotonic()
        SUBJECTS[name](base, folder, rows, in_flight)
        seconds = time.monotonic() - began
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "rate": rows / seconds,
        "cpu_us": sum(one.ru_utime + one.ru_stime for one in used) / rows * 1e6,
        "mb": used[0].ru_maxrss / 1024,
    }


def _measured(name: str, base: str, rows: int, in_flight: int) -> dict[str, float]:
    arguments = [sys.executable, os.path.abspath(__file__), "--alone", name, base, str(rows), str(in_flight)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _able() -> Iterator[str]:
    for name in SUBJECTS:
        if name == "curator" and importlib.util.find_spec("bespokelabs") is None:
            continue
        if int(name.partition("bulk-")[2] or 1) <= (os.cpu_count() or 1):
            yield name


def main() -> int:
    """Print a row for each subject; 1 where the bound is not met."""
    if sys.argv[1:2] == ["--alone"]:
        name, base, rows, in_flight = sys.argv[2:]
        print(json.dumps(_alone(name, base, int(rows), int(in_flight))))
        return 0
    from benchmarks.stub import Stub

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--delay", type=int, default=0, help="milliseconds that the stub waits before an answer")
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(_able()))
    given = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = {name: [] for name in given.only}
    with Stub() as stub:
        for _ in range(given.rounds):
            for name, rounds in found.items():
                rounds.append(_measured(name, f"{stub.base}/x-d{given.delay}", given.rows, given.in_flight))
    print(f"{given.rows:,} rows, {given.in_flight} in flight, answers after {given.delay} ms, {given.rounds} rounds")
    print(f"{'':10}{'rows/s':>10}{'/ bare':>10}{'CPU µs':>10}{'MB':>10}")
    ratios: dict[str, float] = {}
    for name, rounds in found.items():
        beside = found.get("bare", rounds)
        ratios[name] = statistics.median(one["rate"] / by["rate"] for one, by in zip(rounds, beside, strict=True))
        rate, cpu, mb = (statistics.median(one[figure] for one in rounds) for figure in ("rate", "cpu_us", "mb"))
        print(f"{name:10}{rate:10.0f}{ratios[name]:10.2f}{cpu:10.0f}{mb:10.0f}")
    return int(max((ratio for name, ratio in ratios.items() if name.startswith("bulk")), default=1.0) < BOUND)


if __name__ == "__main__":
    sys.exit(main())
