"""What the providers of this plugin can be told: a class for each service, made of its row when it is asked for."""

from __future__ import annotations

import functools
import string
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig

from .described import FIELDS, WORDS, completed
from .plugin import ANY, SERVICES, config_name
from .service import Service


@attrs.frozen(kw_only=True)
class ServiceConfig(HttpConfig):
    """What they have in common. ``row`` is the service's."""

    row: ClassVar[Service] = ANY

    @property
    def service(self) -> Service:
        """The row, with what these settings say otherwise."""
        return self.row

    @property
    def needs_api_key(self) -> bool:
        """Services need one; servers of one's own may."""
        return self.row.kind == "cloud" and bool(self.row.api_key_env)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.url("")  # so that what is missing is told before the first call

    def url(self, path: str) -> str:
        """The address of ``path`` below ``base_url``, else below the row's, with the settings in their places."""
        service = self.service
        address = self.base_url or _absolute(self._filled(service.base_url, safe=":/"))
        address, path = _above(address.rstrip("/"), path)
        query = {name: self._filled(value) for name, value in service.query.items()}
        mark = "&" if "?" in path else "?"
        return f"{address.rstrip('/')}/{path.lstrip('/')}" + (f"{mark}{urlencode(query)}" if query else "")

    def _filled(self, template: str, *, safe: str = "") -> str:
        if "{" not in template:
            return template
        places = {name: getattr(self, name) for _, name, _, _ in string.Formatter().parse(template) if name}
        for name, value in places.items():
            if not value:
                variables = " or ".join(self.row.settings[name])
                raise ValueError(f"{name} is missing: give it, or set the environment variable {variables}")
        return template.format(**{name: quote(value.rstrip("/"), safe=safe) for name, value in places.items()})


def _above(address: str, path: str) -> tuple[str, str]:
    """What lies beside the address, as ``../`` at the start of a path says; never beside its host."""
    while path.startswith("../"):
        path = path.removeprefix("../")
        if urlsplit(address).path:
            address = address.rpartition("/")[0]
    return address, path


def _absolute(address: str) -> str:
    return address if address.startswith(("http://", "https://")) else f"https://{address}"


@attrs.frozen(kw_only=True)
class DescribedConfig(ServiceConfig):
    """Of a server that is in no row: the fields of one are settings."""

    @functools.cached_property
    def service(self) -> Service:
        """The row that the settings make."""
        return completed(ANY, {name: getattr(self, name) for name in FIELDS})

    def __attrs_post_init__(self) -> None:
        if not self.base_url:
            raise ValueError("base_url is missing: give the server's address, such as 'http://localhost:8000/v1'")
        super().__attrs_post_init__()


def _settings_of(service: Service) -> dict[str, Any]:
    plain = "" if "{" in service.base_url else service.base_url
    own = f"address of the API; {service.base_url} unless given" if not plain else "address of the API"
    settings = {
        "base_url": setting("string", default=plain, env=service.base_url_env, description=own),
        "api_key": setting("string", secret=True, env=service.api_key_env, description="key"),
    }
    for name, variables in service.settings.items():
        described = f"{name.replace('_', ' ')}, part of the address"
        settings[name] = setting("string", env=variables, unless=("base_url",), description=described)
    return settings


def _described_settings() -> dict[str, Any]:
    settings = {}
    for name, (kind, description) in FIELDS.items():
        choices = WORDS[name] if kind == "string" and name in WORDS else ()
        settings[name] = setting(kind, choices=choices, description=description)
    return settings


@functools.cache
def _class_of(name: str) -> type[ServiceConfig] | None:
    for service in (*SERVICES, ANY):
        if config_name(service.name) == name:
            base: type[ServiceConfig] = DescribedConfig if service is ANY else ServiceConfig
            fields = {**_settings_of(service), **(_described_settings() if service is ANY else {})}
            body = {"row": service, "__module__": __name__, "__doc__": f"Settings of {service.name}."}
            made: type[ServiceConfig] = attrs.make_class(
                name, fields, bases=(base,), class_body=body, frozen=True, kw_only=True, slots=True
            )
            return made
    return None


def __getattr__(name: str) -> Any:
    found = _class_of(name)
    if found is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return found
