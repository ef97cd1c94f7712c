"""Plugins: the hooks, the registry that finds and asks them, and the factory of providers."""
