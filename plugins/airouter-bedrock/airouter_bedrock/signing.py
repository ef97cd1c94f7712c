"""AWS Signature Version 4 over what is sent, by requests-aws4auth.

Why that library: docs/decisions/0011-signing.md. It is given the time, so that signing is a function of its arguments.
"""

from __future__ import annotations

import datetime
from types import SimpleNamespace

import msgspec

from airouter_core.wire.http import HttpRequest

from .config import BedrockConfig

SERVICE = "bedrock"
"""What both services are called in signatures (service models: ``signingName``)."""


def sign(request: HttpRequest, config: BedrockConfig, now: float) -> HttpRequest:
    """The request with its signature, where access keys are configured.

    Args:
        now: seconds since the epoch; a signature holds for a few minutes.
    """
    if not config.signs:
        return request
    # Imported here: who has a bearer token needs no requests for it.
    from requests.structures import CaseInsensitiveDict
    from requests_aws4auth import AWS4Auth

    time = datetime.datetime.fromtimestamp(now, datetime.UTC)
    headers = CaseInsensitiveDict(request.headers)
    headers["X-Amz-Date"] = time.strftime("%Y%m%dT%H%M%SZ")
    sent = SimpleNamespace(method=request.method, url=request.url, headers=headers, body=request.body)
    # A new one each time: it is not made for several threads, and all of it takes less than half a millisecond.
    signer = AWS4Auth(
        config.access_key_id,
        config.secret_access_key,
        config.signing_region,
        SERVICE,
        time.strftime("%Y%m%d"),
        session_token=config.session_token,
    )
    signer(sent)
    return msgspec.structs.replace(request, headers=dict(headers))
