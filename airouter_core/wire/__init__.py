"""How it looks in bytes: pure functions and decoders. No socket, clock, environment or log here."""
