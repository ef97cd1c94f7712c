"""What users hold: the facade, the seam that a provider implements, and the one over HTTP."""
