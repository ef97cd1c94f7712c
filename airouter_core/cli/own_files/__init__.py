"""Files of the user's own that only commands read and write: aliases, fragments, templates, the default model."""
