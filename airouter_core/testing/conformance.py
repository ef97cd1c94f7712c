"""ProviderConformance: the checks every provider must pass, as a class of tests.

A plugin's whole test of the interface::

    from airouter_core.testing.conformance import ProviderConformance
    from airouter_acme.plugin import ACME

    class TestAcme(ProviderConformance):
        info = ACME
        recordings = "tests/recordings"

What is declared in ``info`` must work; what is not declared must be refused before anything is sent. A check, or a row
of the table of faults, that does not hold yet stays, and is named with its reason::

        known_failures = {"test_a_cut_stream_is_an_error": "acme sends no end mark before version 3"}

Overriding one is a ``TypeError`` when the class is made: a suite that can be weakened in silence proves nothing. See
:class:`~airouter_core.testing.subject.Subject` for all that may be set.
"""

from __future__ import annotations

from typing import Any

import pytest

from .checks.awaiting import AwaitingChecks
from .checks.declaration import DeclarationChecks
from .checks.features import FeatureChecks
from .checks.lifetime import LifetimeChecks
from .checks.losses import LossChecks
from .checks.mutation import MutationChecks
from .checks.reading import ReadingChecks
from .checks.schemas import SchemaChecks
from .checks.secrets import SecretChecks
from .faults import FAULTS, Fault, outcomes_of
from .halves import is_for_each_half
from .subject import Subject, none_of

__all__ = ["ProviderConformance"]


class ProviderConformance(
    DeclarationChecks,
    SchemaChecks,
    FeatureChecks,
    LossChecks,
    ReadingChecks,
    MutationChecks,
    SecretChecks,
    LifetimeChecks,
    AwaitingChecks,
):
    """All checks. Set at least ``info``, and ``recordings`` or ``samples`` if the provider has a wire."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _refuse_weakened(cls)
        _refuse_unknown(cls)
        if cls.like is not None:
            _leave_to(cls, cls.like)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make checks that ask the provider once for each half, the check of faults once for each fault."""
        if is_for_each_half(type(self), metafunc.function.__name__):
            metafunc.parametrize("_its_turn", self.halves, ids=[half.name for half in self.halves], indirect=True)
        if "fault" in metafunc.fixturenames:
            faults = FAULTS if self.has_wire else ()
            metafunc.parametrize("fault", [self._row_of(fault) for fault in faults])

    @pytest.fixture(autouse=True)
    def _its_turn(self, request: pytest.FixtureRequest) -> None:
        self.half = getattr(request, "param", self.half)
        name = request.node.originalname
        for known in (name, f"{name}[{self.half.name}]"):
            if known in self.known_failures:
                request.applymarker(pytest.mark.xfail(reason=self.known_failures[known], strict=True))

    def _row_of(self, fault: Fault) -> Any:
        reason = self.known_failures.get(fault.id)
        marks = () if reason is None else pytest.mark.xfail(reason=reason, strict=True)
        return pytest.param(fault, id=fault.id, marks=marks)

    def test_a_fault_gives_its_error(self, fault: Fault) -> None:
        """Whatever goes wrong on the way gives the error that the table of faults says, and no other."""
        self.http_class()
        outcomes = outcomes_of(fault, self)
        none_of(
            f"{half}, {fault.id}: expected {fault.expected}, got {outcome.said}; {'; '.join(outcome.problems)}"
            for half, outcome in outcomes.items()
            if outcome.was_played and not outcome.right
        )
        for half, outcome in outcomes.items():
            if not outcome.was_played:
                pytest.skip(f"{half}: {'; '.join(outcome.problems)}")


OF_THE_IMPLEMENTATION = (MutationChecks, SecretChecks, LifetimeChecks, AwaitingChecks)
ALSO_OF_IT = (
    "test_the_plugin_module_is_light",
    "test_importing_the_implementation_starts_nothing",
    "test_a_fault_gives_its_error",
)


def _leave_to(cls: type[ProviderConformance], other: type[Subject]) -> None:
    """Take out what another class of checks proves for both."""
    if other.like is not None or other.info.target != cls.info.target:
        raise TypeError(
            f"{cls.__name__} leaves checks to {other.__name__}, which must be of the same target and leave out none"
        )
    names = {name for checks in OF_THE_IMPLEMENTATION for name in vars(checks) if name.startswith("test_")}
    for name in (*names, *ALSO_OF_IT):
        setattr(cls, name, None)  # what is no function is not collected


def _refuse_unknown(cls: type[ProviderConformance]) -> None:
    faults = {fault.id for fault in FAULTS}
    for name, reason in cls.known_failures.items():
        if name not in faults and not hasattr(cls, name.partition("[")[0]):
            raise TypeError(f"{cls.__name__}.known_failures: {name!r} is neither a check of the kit nor a fault")
        if not isinstance(reason, str) or not reason.strip():
            raise TypeError(f"{cls.__name__}.known_failures: {name!r} needs a reason")


def _refuse_weakened(cls: type) -> None:
    inherited = {name for base in cls.__mro__[1:] for name in vars(base) if name.startswith("test_")}
    for name, value in vars(cls).items():
        if name not in inherited:
            continue
        marks = [mark for mark in getattr(value, "pytestmark", ()) if mark.name == "xfail"]
        if not any(mark.kwargs.get("reason") and mark.kwargs.get("strict") is True for mark in marks):
            raise TypeError(
                f"{cls.__name__}.{name} replaces a check of the kit: mark it "
                "@pytest.mark.xfail(reason=..., strict=True) and call super(), or remove it"
            )
    marks = vars(cls).get("pytestmark", ())
    for mark in marks if isinstance(marks, list | tuple) else (marks,):
        if mark.name in ("skip", "skipif", "xfail"):
            raise TypeError(
                f"{cls.__name__} is marked {mark.name} as a whole: mark single checks, each with its reason"
            )
