"""``airouter serve`` beside a bare proxy and its peer: what a gateway adds, and what it does under load."""
