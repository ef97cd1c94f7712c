"""What a call costs, beside the floor and the peers: ``python -m benchmarks``. See README.md."""
