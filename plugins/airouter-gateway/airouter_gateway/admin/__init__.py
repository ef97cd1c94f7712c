"""What an administrator sees and does: an API, and pages over the same. Off unless there is an admin key."""
