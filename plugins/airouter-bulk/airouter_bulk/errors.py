"""What may go wrong with a run as a whole; what is wrong with a row is in its line of ``errors.jsonl``."""

from __future__ import annotations

from airouter_core.errors import ConfigurationError, ExecutionError


class SpecError(ConfigurationError):
    """The specification of a run is wrong, or is not that of the run that is there."""


class JournalError(ExecutionError):
    """The journal cannot be opened, read or written."""


class InUseError(JournalError):
    """Another process writes the journal."""
