"""The kit for whoever writes a provider: conformance checks, recordings, faults. Needs the extra ``[testing]``."""
