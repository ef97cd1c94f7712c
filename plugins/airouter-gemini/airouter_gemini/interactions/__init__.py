"""The Interactions API: the same models, asked with steps in place of turns."""
