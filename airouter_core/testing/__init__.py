"""The kit for whoever writes a provider: conformance checks, recordings, faults. Shipped; needs the extra ``[testing]``."""
