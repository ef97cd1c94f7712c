"""The profile of ``make fuzz``: ten minutes, however many examples that are."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fuzz", deadline=None, derandomize=False, suppress_health_check=list(HealthCheck), database=None
)
