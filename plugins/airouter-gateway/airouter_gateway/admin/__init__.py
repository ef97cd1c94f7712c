"""What an administrator sees and does: one desk, an API and pages over it. Off unless there is an admin key."""
