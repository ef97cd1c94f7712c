"""One server that speaks the dialects of OpenAI, Anthropic and Ollama, in front of any provider and route."""
