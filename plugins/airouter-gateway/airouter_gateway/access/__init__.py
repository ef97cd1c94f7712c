"""Who may ask, and how much: keys and teams in the ledger's database, their limits and their budgets."""
