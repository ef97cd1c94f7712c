"""What a target takes: declarations, canonical parameters, and what of a call is not sent."""
