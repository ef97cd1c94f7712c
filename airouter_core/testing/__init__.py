"""For tests: a provider that asks nobody (``fake_provider``), and the kit for whoever writes a provider: conformance
checks, recordings, faults. The kit needs the extra ``[testing]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fakes import FakeProvider as FakeProvider
    from .fakes import fake_provider as fake_provider


def __getattr__(name: str) -> Any:
    # Whoever wants a recording imports no provider.
    if name not in ("FakeProvider", "fake_provider"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import fakes

    return getattr(fakes, name)
