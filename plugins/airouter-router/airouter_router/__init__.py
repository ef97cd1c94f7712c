"""Routes: a provider made of providers."""
