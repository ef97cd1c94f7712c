"""Chat completions, Responses, embeddings and models, as OpenAI has them."""
