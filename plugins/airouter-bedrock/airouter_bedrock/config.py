"""What the Bedrock provider can be told, and where its two services are."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig
from airouter_core.errors import ConfigurationError

RUNTIME, CONTROL = "bedrock-runtime", "bedrock"
"""The service that answers, and the one that knows the models."""
REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d+")
HOST = re.compile(rf"(?:.*\.)?{RUNTIME}(?:-fips)?\.({REGION.pattern})\.(?:vpce\.)?(?:amazonaws\.com(?:\.cn)?|api\.aws)")


@attrs.frozen(kw_only=True)
class BedrockConfig(HttpConfig):
    """Settings; see the README for what each is good for."""

    base_url: str = setting(
        "string",
        default="",
        env=("AWS_ENDPOINT_URL_BEDROCK_RUNTIME",),
        description="address of the runtime service; the region's unless given",
    )
    control_url: str = setting(
        "string",
        default="",
        env=("AWS_ENDPOINT_URL_BEDROCK",),
        description="address of the service that lists models; the region's unless given",
    )
    region: str | None = setting(
        "string", env=("AWS_REGION", "AWS_DEFAULT_REGION"), description="such as us-east-1 or eu-central-1"
    )
    api_key: str | None = setting(
        "string", secret=True, unless=("access_key_id", "profile"), description="Bedrock API key, sent as bearer token"
    )
    # Before access_key_id, so that one that is given keeps the environment from adding what belongs to another.
    secret_access_key: str | None = setting(
        "string",
        secret=True,
        env=("AWS_SECRET_ACCESS_KEY",),
        unless=("api_key", "access_key_id", "profile"),
        description="the access key itself; it signs requests and is never sent",
    )
    session_token: str | None = setting(
        "string",
        secret=True,
        env=("AWS_SESSION_TOKEN",),
        unless=("api_key", "access_key_id", "profile"),
        description="what temporary access keys come with",
    )
    access_key_id: str | None = setting(
        "string", env=("AWS_ACCESS_KEY_ID",), unless=("api_key", "profile"), description="id of an AWS access key"
    )
    profile: str | None = setting(
        "string",
        env=("AWS_PROFILE",),
        unless=("api_key", "access_key_id"),
        description="a profile of the AWS configuration files; needs airouter-bedrock[aws]",
    )
    guardrail: Mapping[str, Any] = setting(
        "mapping", factory=dict, description="guardrailConfig of every call: guardrailIdentifier, guardrailVersion, …"
    )
    cache_prompt: bool = setting(
        "boolean", default=False, description="let the service cache tools, system prompt and history between calls"
    )
    cache_ttl: Literal["5m", "1h"] = setting(
        "string", default="5m", choices=("5m", "1h"), description="how long the cache is kept after its last use"
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.region and not REGION.fullmatch(self.region):
            raise ValueError(f"region must look like 'us-east-1', not {self.region!r}")
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ValueError("access_key_id and secret_access_key belong together; give both or neither")
        if self.session_token and not self.access_key_id:
            raise ValueError("session_token belongs to an access key; give access_key_id and secret_access_key too")
        if self.guardrail and not {"guardrailIdentifier", "guardrailVersion"} <= self.guardrail.keys():
            raise ValueError("guardrail needs guardrailIdentifier and guardrailVersion")

    @property
    def needs_api_key(self) -> bool:
        """Whether a call must fail for want of credentials, as far as can be told without asking anybody."""
        return not (self.api_key or self.access_key_id or self.own_credential or self.asks_the_chain)

    @property
    def own_credential(self) -> bool:
        """Whether ``custom_headers`` hold a credential, so that none is added."""
        return any(name.lower() == "authorization" for name in self.custom_headers)

    @property
    def signs(self) -> bool:
        """Whether requests are signed, which a bearer token makes needless."""
        return bool(self.access_key_id) and not self.api_key and not self.own_credential

    @property
    def asks_the_chain(self) -> bool:
        """Whether the AWS SDK is to find credentials: none are given, and a profile is, or the extra is installed."""
        if self.api_key or self.access_key_id or self.own_credential:
            return False
        return self.profile is not None or importlib.util.find_spec("botocore") is not None

    @property
    def signing_region(self) -> str:
        """The region that signatures are for: as configured, else as the address tells.

        Raises:
            ConfigurationError: neither tells.
        """
        if self.region:
            return self.region
        if found := HOST.fullmatch(urlsplit(self.base_url).hostname or ""):
            return found.group(1)
        raise ConfigurationError(
            "bedrock needs a region: set the environment variable AWS_REGION, or pass {'region': 'us-east-1'} in its "
            "configuration"
        )

    def url(self, path: str) -> str:
        """The address of ``path`` at the runtime service."""
        return f"{self.base_url.rstrip('/') or self._address(RUNTIME)}/{path.lstrip('/')}"

    def control(self) -> BedrockConfig:
        """The same for the service that lists models. An address that is no AWS host stands for both services."""
        if self.control_url:
            address = self.control_url
        elif self.base_url and not HOST.fullmatch(urlsplit(self.base_url).hostname or ""):
            address = self.base_url
        else:
            address = self._address(CONTROL)
        return attrs.evolve(self, base_url=address)

    def _address(self, service: str) -> str:
        region = self.signing_region
        return f"https://{service}.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
