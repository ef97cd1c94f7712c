"""Services that speak chat completions, each a row of facts."""
