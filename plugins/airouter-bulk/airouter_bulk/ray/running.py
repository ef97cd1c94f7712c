"""A run on a cluster from its rows to its files: ``run(spec, rows, folder)``, as on one machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any

import msgspec

from airouter_core.config.files import Settings, read_settings
from airouter_core.errors import ExecutionError
from airouter_core.manager import ProviderManager
from airouter_core.manager.addresses import ROUTE, ROUTER
from airouter_core.profile.prices import Prices

from ..errors import JournalError
from ..interrupts import interrupts
from ..journal import admission, attempts, files
from ..reports import Summary
from ..rows import Rows
from ..running import Approve, SpecLike, Watch
from ..spec import Spec
from ..targets import named_by, prices_of
from . import reference as references
from .cluster import GoneError, Staff, StoppedError, connected
from .driver import Driver
from .messages import Plan
from .reference import Reference


def run(spec: SpecLike, rows: Rows | None, folder: str | os.PathLike[str], **options: Any) -> Summary:
    """:func:`arun`, in a program that does not await."""
    return asyncio.run(arun(spec, rows, folder, **options))


async def arun(
    spec: SpecLike,
    rows: Rows | None,
    folder: str | os.PathLike[str],
    *,
    address: str | None = None,
    workers: int | None = None,
    cpus: float = 1,
    gpus: float = 0,
    manager: ProviderManager | None = None,
    settings: str | os.PathLike[str] | None = None,
    target: tuple[Reference, str] | None = None,
    prices: Prices | None = None,
    fork: bool = False,
    sample: int = 0,
    approve: Approve | None = None,
    watch: Watch | None = None,
) -> Summary:
    """:func:`airouter_bulk.arun`, with its calls made by workers on all nodes of a Ray cluster.

    Args:
        rows: are read here, and sent to the head.
        folder: on the head. A run that one process began there goes on, and the other way round.
        address: of the cluster, as for :func:`~airouter_bulk.ray.cluster.connected`.
        workers: in all, in place of the specification's; one on each node unless given, or one for each GPU where
            ``gpus`` is given.
        cpus: that Ray reserves for each worker; one makes some hundred calls a second with it.
        gpus: that each worker has to itself, for providers that compute in their own process.
        manager: whose provider is asked. Its secrets do not travel: they are looked up on each node.
        settings: the path of a settings file, in place of a manager.
        target: the provider by reference, and its model, in place of both.

    Raises:
        ConfigurationError: as there; or Ray is not installed, or no cluster is there, or a secret would have to travel.
        GoneError: the head of the cluster is gone, and its folder is not on this machine. Start it again, then this
            run: it goes on.
    """
    wanted = Spec.of(spec)
    file = None if settings is None else read_settings(settings)
    reference, model = target or _target(wanted, manager, file)
    plan = Plan(
        wanted, os.path.abspath(os.fspath(folder)), reference, model, prices or prices_of(file), rows is not None
    )
    with connected(address) as ray:
        driver = Driver(ray, plan, rows, Staff(workers or wanted.workers, cpus, gpus))
        with watch(driver) if watch else contextlib.nullcontext(), interrupts(driver):
            try:
                return await driver.run(fork=fork, sample=sample, approve=approve)
            except GoneError as error:
                return _left(plan.folder, error, "start it again, then run this again")
            except StoppedError as error:
                return _left(plan.folder, error, "run it again to go on")


def _target(spec: Spec, manager: ProviderManager | None, file: Settings | None) -> tuple[Reference, str]:
    if manager is not None:
        provider, model = named_by(manager, spec.target)
        return references.by_provider(provider), model
    head, _, model = spec.target.partition("/")
    if spec.target.startswith(ROUTE):
        head, model = ROUTER, spec.target.removeprefix(ROUTE)
    return references.by_settings(head, file), model


def _left(folder: str, gone: ExecutionError, advice: str) -> Summary:
    """How the run stands that was left in the middle, where its journal can be seen from here."""
    try:
        with files.opened(folder, new=False) as journal:
            found = admission.latest_run(journal)
            assert found is not None
            summary = Summary.of(found, attempts.tally(journal, found.id))
    except JournalError:
        raise gone from None
    return msgspec.structs.replace(summary, state="paused", reason=f"{gone}; {advice}")
