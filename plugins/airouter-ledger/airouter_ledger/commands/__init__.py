"""What the ledger adds to the command line."""
