"""The command line. This module imports nothing, so that a missing extra is told in one line."""

from __future__ import annotations

import sys


def main() -> None:
    """The ``airouter`` command."""
    try:
        from .app import run_app
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich"):
            raise
        print(f"airouter: the command line needs {error.name}: pip install 'airouter-core[cli]'", file=sys.stderr)  # noqa: T201  # the console is what is missing
        sys.exit(2)
    from .streams import on_standard_streams

    sys.exit(on_standard_streams(run_app))
