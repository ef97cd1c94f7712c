"""Chat, generate, embed and the lists of models, as Ollama has them."""
