"""What can go wrong with a ledger."""

from __future__ import annotations

from airouter_core.errors import ConfigurationError, ExecutionError


class LedgerError(ExecutionError):
    """The ledger cannot be read or written: a full disk, a server that is down, a damaged file."""


class LedgerVersionError(ConfigurationError):
    """The ledger was written by a newer version of this package."""


class LedgerWarning(UserWarning):
    """The ledger missed something; the call itself is not touched by it."""
