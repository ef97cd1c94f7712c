"""Opening a ledger by its address."""

from __future__ import annotations

from .base import Database
from .schema import bring_up_to_date


def open_database(address: str, *, durable: bool = False) -> Database:
    """The database at a path or a ``postgresql://`` address, with its tables.

    Args:
        durable: whether what was written must survive a loss of power; a server decides that for itself.

    Raises:
        ConfigurationError: the address, or the version of the tables, cannot be used.
        LedgerError: the database cannot be read or written.
    """
    database: Database
    if address.startswith(("postgresql://", "postgres://")):
        from .postgres import PostgresDatabase

        database = PostgresDatabase(address)
    else:
        from .sqlite import SqliteDatabase

        database = SqliteDatabase(address, durable=durable)
    try:
        bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
    return database
