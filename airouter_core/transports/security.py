"""Whose certificates are trusted: one answer for every transport."""

from __future__ import annotations

import os
import ssl
import warnings

from ..errors import ConfigurationError, InsecureConnectionWarning

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Variables that name the authorities to trust: of requests, of curl, and of OpenSSL; the first one set counts."""


def warn_insecure() -> None:
    """Say, once for each provider, that certificates are not checked."""
    warnings.warn(
        "verify_ssl=False: certificates are not checked, anybody on the way can read and change what is sent",
        InsecureConnectionWarning,
        stacklevel=2,
    )


def authorities(verify: bool | str) -> str | None:
    """The file or folder of authorities to trust; ``None`` to trust anybody.

    Raises:
        ConfigurationError: it is named, and is none.
    """
    if verify is False:
        return None
    if isinstance(verify, str):
        return _checked(verify, "verify_ssl")
    for variable in CA_VARIABLES:
        if named := os.environ.get(variable):
            return _checked(named, variable)
    import certifi

    return certifi.where()


def context_for(path: str | None) -> ssl.SSLContext | bool:
    """What :func:`authorities` says, as a context; ``False`` to check nothing."""
    if path is None:
        return False
    folder = os.path.isdir(path)
    return ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)


def _checked(path: str, named_by: str) -> str:
    if not os.path.exists(path):
        raise ConfigurationError(f"{named_by}: there is no CA file {path!r}")
    try:
        context_for(path)
    except (OSError, ValueError) as error:
        said = f"{named_by}: {path!r} is no file of certificates in PEM ({error})"
    else:
        return path
    raise ConfigurationError(said)
