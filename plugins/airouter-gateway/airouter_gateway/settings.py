"""The table ``[gateway]`` of the settings file."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.provider import ProviderConfig

from .bounds import Bounds

MIB = 1024 * 1024


@attrs.frozen(kw_only=True)
class GatewaySettings(ProviderConfig):
    """What the server can be told. Times are in seconds."""

    models: Mapping[str, str] = setting(
        "mapping", factory=dict, description="names of your own for addresses and routes, such as those of a client"
    )
    default: str | None = setting("string", description="the address that answers for names that nobody here knows")
    keys: str | None = setting(
        "path", description="file of the clients' keys; in your configuration folder unless given"
    )
    rpm: int | None = setting("integer", minimum=1, description="requests a minute, of all keys together")
    tpm: int | None = setting("integer", minimum=1, description="tokens a minute, of all keys together")
    in_flight: int | None = setting("integer", minimum=1, description="requests at a time, of all keys together")
    store_days: float = setting(
        "number", default=30.0, minimum=0, description="days for which answers of Responses are kept; 0 keeps none"
    )
    pull: bool = setting("boolean", default=False, description="whether clients may have Ollama download models")
    admin_key: str | None = setting(
        "string",
        secret=True,
        env=("AIROUTER_ADMIN_KEY",),
        description="switches the admin API and the console on, for whoever has it",
    )
    hosts: tuple[str, ...] = setting("strings", default=(), description="further names by which this server is called")
    origins: tuple[str, ...] = setting("strings", default=(), description="web pages whose scripts may ask it")
    largest_body: int = setting("integer", default=32 * MIB, minimum=1024, description="bytes of a request")
    read_timeout: float = setting("number", default=30.0, above=0, description="for a request to arrive whole")
    send_timeout: float = setting("number", default=120.0, above=0, description="for a client to take what is sent")
    idle_timeout: float = setting("number", default=300.0, above=0, description="of silence of a provider in a stream")
    ping: float = setting("number", default=15.0, above=0, description="of silence until a client is told to wait on")
    headers_after: float = setting(
        "number", default=10.0, above=0, description="until a stream begins without an event"
    )
    drain: float = setting("number", default=30.0, minimum=0, description="for streams to end when the server stops")

    @property
    def bounds(self) -> Bounds:
        """What holds for all keys together."""
        return Bounds(rpm=self.rpm, tpm=self.tpm, in_flight=self.in_flight)
