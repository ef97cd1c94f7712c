"""Tokens for Vertex AI, by google-auth: whatever it finds on this machine (a key file, a login, a metadata server)."""

from __future__ import annotations

import threading
from typing import Any

from airouter_core.errors import AuthenticationError, ConfigurationError, ConnectionFailedError

from .parts import KEY

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Tokens:
    """The credentials of one provider, found by the first call and refreshed when they run out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._project: str | None = None

    def token(self) -> tuple[str, str | None]:
        """A token that is good now, and the project that the credentials name. May ask the network.

        Raises:
            ConfigurationError: google-auth is not installed, or finds no credentials.
            AuthenticationError: they are refused.
            ConnectionFailedError: whoever gives out tokens cannot be reached.
        """
        try:
            import google.auth.exceptions
            import google.auth.transport.requests
        except ImportError as error:
            raise ConfigurationError(
                "gemini needs google-auth for Vertex AI: pip install 'airouter-gemini[vertex]', or pass an access_token"
            ) from error
        with self._lock:
            try:
                if self._credentials is None:
                    self._credentials, self._project = google.auth.default(scopes=[SCOPE])
                if not self._credentials.valid:
                    self._credentials.refresh(google.auth.transport.requests.Request())
            except google.auth.exceptions.DefaultCredentialsError as error:
                raise ConfigurationError(
                    "gemini finds no credentials for Vertex AI: run 'gcloud auth application-default login', or set "
                    "GOOGLE_APPLICATION_CREDENTIALS to the path of a key file"
                ) from error
            except google.auth.exceptions.TransportError as error:
                raise ConnectionFailedError(f"gemini cannot reach who gives out tokens: {error}") from error
            except google.auth.exceptions.GoogleAuthError as error:
                raise AuthenticationError(
                    f"gemini: Google refused a token for Vertex AI: {error}", provider=KEY
                ) from error
            return str(self._credentials.token), self._project
