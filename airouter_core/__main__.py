"""``python -m airouter_core``: the command line, also where its script is on no path."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main()
