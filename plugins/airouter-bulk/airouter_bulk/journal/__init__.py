"""The journal of a run: the file that decides what is done, and what it has cost."""
