"""Azure: two kinds of credential, and a description of what its filter found."""

from __future__ import annotations

from typing import Any

from airouter_core.wire.http import Headers

from .functions import Own

JWT = "eyJ"
"""How every JSON Web Token begins: the base64 of an opening brace and a quotation mark."""


def headers(config: Any) -> Headers:
    """The key of a resource as ``api-key``; a token of Entra as ``Authorization`` (learn.microsoft.com)."""
    key = config.api_key
    if not key:
        return {}
    return {"Authorization": f"Bearer {key}"} if key.startswith(JWT) else {"api-key": key}


OWN = Own(headers=headers)
