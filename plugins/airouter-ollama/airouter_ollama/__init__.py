"""The Ollama provider of airouter."""
