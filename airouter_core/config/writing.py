"""Writing files of the user's own: one writer at a time, and whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

from ..errors import ConfigurationError

PATIENCE = 10.0
"""Seconds to wait for another program that writes the file; it needs milliseconds."""


@contextlib.contextmanager
def alone(path: str, what: str) -> Iterator[None]:
    """Keep other writers of ``path`` out, in this program and in others: who reads, changes and writes does it alone.

    Args:
        what: is written, for the error.

    Raises:
        ConfigurationError: there can be no lock here, or somebody holds it for too long.
    """
    import filelock  # 50 ms that only those pay who write

    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        held = filelock.FileLock(f"{path}.lock", timeout=PATIENCE, mode=0o600)
        held.acquire()
    except filelock.Timeout as error:
        raise ConfigurationError(f"another program has held {path}.lock for {PATIENCE:g} s; end it first") from error
    except (OSError, NotImplementedError) as error:
        said = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"cannot lock {path!r}, to write {what}: {said}") from error
    try:
        yield
    finally:
        held.release()


def write_whole(path: str, text: str, what: str) -> None:
    """Write a file that only its owner may read, in place of an earlier one. A link stays a link.

    It is written beside and renamed, so that no moment exists in which half of it, or all of it to others, is there.

    Args:
        what: is written, for the error.

    Raises:
        ConfigurationError: it cannot be written; what was there before is there still.
    """
    target, beside = os.path.realpath(path), None
    try:
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        descriptor, beside = tempfile.mkstemp(prefix=".airouter-", dir=os.path.dirname(target))
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except OSError as error:
        if beside is not None:
            with contextlib.suppress(OSError):
                os.unlink(beside)
        raise ConfigurationError(f"cannot write {what} to {path!r}: {error.strerror or error}") from error
