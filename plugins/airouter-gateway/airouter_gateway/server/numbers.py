"""What can be counted, for Prometheus: by dialect, provider and outcome; never by user or key."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from airouter_core.values.usage import Usage

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder in which several processes put their numbers together."""
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


def is_one_of_several() -> bool:
    """Whether several processes serve one address, and this is one of them."""
    return bool(os.environ.get(SHARED))


class Numbers:
    """The numbers of one server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        by = ("dialect", "target", "class")
        self.requests = Counter("airouter_requests", "Requests answered.", by, registry=registry)
        self.duration = Histogram(
            "airouter_duration_seconds", "From request to end.", ("dialect",), buckets=SECONDS, registry=registry
        )
        self.first = Histogram(
            "airouter_ttft_seconds",
            "From request to the first byte of a stream.",
            ("dialect",),
            buckets=SECONDS,
            registry=registry,
        )
        self.tokens = Counter("airouter_tokens", "Tokens.", ("kind",), registry=registry)
        self._tokens = {kind: self.tokens.labels(kind) for kind in ("input", "output", "cache_read", "reasoning")}
        self._known: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self.under_way = Gauge(
            "airouter_inflight", "Requests under way.", registry=registry, multiprocess_mode="livesum"
        )

    def text(self) -> bytes:
        """All of them, in the format of Prometheus; of all processes, where several serve one address."""
        registry = self._registry
        if is_one_of_several():
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # theirs has no types
        return generate_latest(registry)

    def answered(self, dialect: str, target: str, outcome: str, seconds: float) -> None:
        """Count a request that is over."""
        key = (dialect, target, outcome)
        known = self._known.get(key)
        if known is None:
            # Finding a number by its labels takes longer than counting.
            known = self._known[key] = self.requests.labels(*key), self.duration.labels(dialect)
        known[0].inc()
        known[1].observe(seconds)

    def use(self, usage: Usage) -> None:
        """Count what an answer used, as far as it was told."""
        kinds = {
            "input": usage.input_tokens,
            "output": usage.output_tokens,
            "cache_read": usage.cache_read_tokens,
            "reasoning": usage.reasoning_tokens,
        }
        for kind, tokens in kinds.items():
            if tokens:
                self._tokens[kind].inc(tokens)
