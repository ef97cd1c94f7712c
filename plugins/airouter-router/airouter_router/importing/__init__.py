"""Routes from the settings of other programs."""
