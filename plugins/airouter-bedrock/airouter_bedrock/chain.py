"""Credentials found by the AWS SDK (extra ``aws``): profiles, single sign-on, roles of machines and containers."""

from __future__ import annotations

import threading
from typing import Any

import attrs

from airouter_core.errors import ConfigurationError, MissingApiKeyError

from .config import BedrockConfig
from .plugin import BEDROCK

MISSING = (
    "bedrock needs credentials: set the environment variable AWS_BEARER_TOKEN_BEDROCK (or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY), or pass {'api_key': ...} in its configuration"
)


class CredentialChain:
    """Asks the SDK once, and then lets it renew what it found. For many threads; asking may block."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Any = None
        self._credentials: Any = None

    def completed(self, config: BedrockConfig) -> BedrockConfig:
        """The configuration with an access key that is good now, and with the profile's region where none is given.

        Raises:
            ConfigurationError: the SDK is not installed, or what it was told is wrong.
            MissingApiKeyError: there are no credentials.
        """
        try:
            from botocore.exceptions import BotoCoreError
            from botocore.session import Session
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "AWS profiles and roles need an extra: pip install 'airouter-bedrock[aws]'"
            ) from error
        try:
            with self._lock:
                if self._credentials is None:
                    self._session = Session(profile=config.profile)
                    self._credentials = self._session.get_credentials()
                region = config.region or self._session.get_config_variable("region")
            if self._credentials is None:
                raise MissingApiKeyError(f"{MISSING}; the AWS SDK found none either", provider=BEDROCK.name)
            found = self._credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise ConfigurationError(f"the AWS SDK cannot give credentials: {error}") from error
        return attrs.evolve(
            config,
            access_key_id=found.access_key,
            secret_access_key=found.secret_key,
            session_token=found.token,
            region=region,
        )
