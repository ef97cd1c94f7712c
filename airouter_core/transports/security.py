"""Whose certificates are trusted: one answer for every transport."""

from __future__ import annotations

import os
import ssl
import warnings
from typing import NamedTuple

from ..config.http import HttpConfig
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


class OwnCertificate(NamedTuple):
    """What this program shows of itself: what ``SSLContext.load_cert_chain`` takes."""

    file: str
    key: str | None
    password: str | None

    def __repr__(self) -> str:
        return f"OwnCertificate({self.file!r})"


def own_certificate(config: HttpConfig) -> OwnCertificate | None:
    """The files by which this program says who it is, with ``~`` resolved; ``None`` when it does not.

    Raises:
        ConfigurationError: they are no certificate with its key, or the password is not the key's.
    """
    if config.client_certificate is None:
        return None
    key = None if config.client_key is None else os.path.expanduser(config.client_key)
    found = OwnCertificate(os.path.expanduser(config.client_certificate), key, config.client_key_password)
    try:
        # Without a password to hand over OpenSSL would ask for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(found.file, found.key, found.password or _no_password)
    except (OSError, ValueError) as error:
        failure = ConfigurationError(
            f"client_certificate: {config.client_certificate!r} is no PEM file of a certificate and its key, or the "
            f"password is wrong ({error}); a key in another file is given as client_key, its password as "
            "client_key_password"
        )
    else:
        return found
    raise failure


def context_for(path: str | None, own: OwnCertificate | None = None) -> ssl.SSLContext | bool:
    """What :func:`authorities` says, as a context; ``False`` to check nothing and to show nothing.

    Args:
        own: what :func:`own_certificate` says.
    """
    if path is None and own is None:
        return False
    if path is None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        folder = os.path.isdir(path)
        context = ssl.create_default_context(cafile=None if folder else path, capath=path if folder else None)
    if own is not None:
        context.load_cert_chain(*own)
    return context


def _no_password() -> str:
    raise ValueError("it has a password")


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
