"""Formats that several vendors speak. No vendor is named here; what is particular comes as a value."""
