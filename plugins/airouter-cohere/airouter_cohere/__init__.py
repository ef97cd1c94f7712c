"""The Cohere provider of airouter."""
