"""The four ways to run a model, and the choice between them."""
