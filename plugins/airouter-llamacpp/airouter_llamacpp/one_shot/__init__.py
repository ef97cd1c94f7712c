"""One run of llama-cli for one answer."""
