"""Functions and classes as schemas, and the loop that runs the tools a model calls."""
