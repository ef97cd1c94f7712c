"""Where the ledger is kept: a file of SQLite, or a PostgreSQL server; the SQL is written once for both."""
