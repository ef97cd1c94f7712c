"""Workers: who makes the calls of a run in its place, in processes of this machine or on nodes of a cluster."""
