"""The ledger: calls and what they cost, budgets, conversations, and answers to give again."""
