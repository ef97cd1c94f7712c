"""Messages, counts of tokens and models, as Anthropic has them."""
