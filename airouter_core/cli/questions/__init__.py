"""What goes into a question from elsewhere, and what an answer is held to. Programs have some of it too, by name."""
