"""All input and output: what a flow asks for, done with requests (and, awaited, with the ``[async]`` extra)."""
