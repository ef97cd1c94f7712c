"""What clients say, each dialect as pure functions: bytes to a question, events to bytes, a refusal to bytes."""
