"""The OpenAI provider of airouter."""
