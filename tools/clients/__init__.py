"""``make clients``: the clients that people have, headless in front of ``airouter serve``."""
