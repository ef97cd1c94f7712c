"""Where engines listen: on the loopback only."""

from __future__ import annotations

import os
import socket

from airouter_core.errors import ConfigurationError

HOST = "127.0.0.1"
HTTP_THREADS = 64
"""Connections that an engine serves at a time. Each holds a thread there until it is closed, also while it is idle, and
a further one waits until the server gives up an idle one, after five seconds. llama.cpp's own choice is a handful."""


def check_port(port: int) -> None:
    """Refuse a port that is taken, while the reason can still be told; 0 is any free one.

    Raises:
        ConfigurationError: it cannot be used.
    """
    if not port:
        return
    with socket.socket() as probe:
        # As the engines themselves do: a port whose last connections are fading away is free.
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ConfigurationError(
                f"port {port} cannot be used ({error.strerror}); set port to another one, or leave it out for any "
                "free one"
            ) from error
