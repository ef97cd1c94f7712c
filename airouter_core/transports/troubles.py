"""What is said of a network failure: once, for every transport."""

from __future__ import annotations

import os
import warnings
from urllib.parse import urlsplit

from ..errors import ConfigurationError, ConnectionFailedError, InsecureConnectionWarning, TransportTimeoutError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""Where nobody needs a network."""


def warn_insecure() -> None:
    """Say, once for each provider, that certificates are not checked."""
    warnings.warn(
        "verify_ssl=False: certificates are not checked, anybody on the way can read and change what is sent",
        InsecureConnectionWarning,
        stacklevel=2,
    )


def require_authorities(path: str) -> None:
    """Refuse a file or folder of authorities that is not there.

    Raises:
        ConfigurationError: it is not.
    """
    if not os.path.exists(path):
        raise ConfigurationError(f"verify_ssl: there is no CA file {path!r}")


def unsendable() -> ConfigurationError:
    """An address or a header is none. What it holds is not said: it may be a key."""
    return ConfigurationError(
        "the request cannot be sent: its address or a header holds a character that cannot stand there"
    )


def place_of(url: str) -> str:
    """Scheme, host and port: all of an address that may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def silent(url: str, timeout: float) -> TransportTimeoutError:
    """Nothing came for ``timeout`` seconds."""
    return TransportTimeoutError(
        f"{place_of(url)} sent nothing for {timeout:g} s; raise `timeout` if it may need longer to think"
    )


def not_connected_in_time(url: str) -> TransportTimeoutError:
    """No connection came up."""
    return TransportTimeoutError(f"no connection to {place_of(url)} within the time allowed", while_connecting=True)


def insecure(url: str, reason: object) -> ConnectionFailedError:
    """TLS failed."""
    advice = "check the address; for a private certificate set verify_ssl to its CA file"
    return ConnectionFailedError(f"no secure connection to {place_of(url)}: {_cause(reason)} ({advice})")


def refused(url: str, reason: object) -> ConnectionFailedError:
    """Nobody answered there."""
    here = (urlsplit(url).hostname or "") in LOOPBACK
    question = "is the server running" if here else "is this machine online, is the server running"
    return ConnectionFailedError(
        f"cannot connect to {place_of(url)}: {question}, and base_url right? ({_cause(reason)})"
    )


def _cause(reason: object) -> str:
    """The system's own words, where a library has wrapped them in its own and in the address once more."""
    said, error = str(reason), reason
    while isinstance(error, BaseException):
        if isinstance(error, OSError) and error.errno is not None and error.strerror:
            # asyncio writes the address into the words of a refusal.
            said = os.strerror(error.errno) if isinstance(error, ConnectionError) else error.strerror
        error = error.__cause__ or error.__context__
    return said


def broken(url: str, reason: object) -> ConnectionFailedError:
    """The connection was lost."""
    return ConnectionFailedError(f"the connection to {place_of(url)} broke: {reason}")


def too_long(url: str, limit: int) -> str:
    """What is said of an answer beyond its limit."""
    return f"{place_of(url)} sent more than {limit} bytes"
