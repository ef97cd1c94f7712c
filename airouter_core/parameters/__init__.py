"""One vocabulary of parameters: the canonical table, and what becomes of the parameters of a call."""
