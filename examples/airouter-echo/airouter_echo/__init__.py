"""airouter provider that repeats what it is told."""
