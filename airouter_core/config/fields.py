"""Configuration: declared as attrs classes, loaded from plain mappings and the environment, with errors that help."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

import attrs

from ..errors import ConfigurationError, MissingApiKeyError
from ..values.kinds import Kind, checked, parsed, within

ConfigType = TypeVar("ConfigType", bound="ProviderConfig")
Factory = Callable[[], Any]


def setting(
    kind: Kind,
    *,
    default: Any = None,
    factory: Factory | None = None,
    env: tuple[str, ...] = (),
    secret: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    choices: tuple[Any, ...] = (),
    also: tuple[Kind, ...] = (),
    unless: tuple[str, ...] = (),
    description: str = "",
) -> Any:
    """A field of a configuration class.

    Args:
        kind: what its values are; ``also`` names further kinds that it takes.
        env: environment variables that give the value when the mapping does not, in order.
        unless: other settings in whose presence the environment is not asked.
        secret: keep it out of ``repr``, logs and errors.
        minimum, maximum, above, choices: as in :class:`~airouter_core.profile.declarations.Parameter`.
    """

    def convert(value: Any) -> Any:
        return None if value is None else _converted(value, (kind, *also))

    def validate(_instance: object, _attribute: object, value: Any) -> None:
        if value is not None:
            within(value, minimum=minimum, maximum=maximum, above=above, choices=choices)

    metadata = {
        "kind": kind,
        "env": env,
        "secret": secret,
        "description": description,
        "choices": choices,
        "unless": unless,
    }
    if factory is not None:
        return attrs.field(
            factory=factory, converter=convert, validator=validate, repr=not secret, metadata=metadata, kw_only=True
        )
    return attrs.field(
        default=default, converter=convert, validator=validate, repr=not secret, metadata=metadata, kw_only=True
    )


@attrs.frozen(kw_only=True)
class ProviderConfig:
    """What every provider can be told."""

    unsupported_parameters: Literal["warn", "error"] = setting(
        "string",
        default="warn",
        choices=("warn", "error"),
        description="what to do with a known parameter that the provider or model does not take",
    )
    log_content: bool = setting("boolean", default=False, description="write prompts and answers to the DEBUG log")


@attrs.frozen(kw_only=True)
class HttpConfig(ProviderConfig):
    """What every provider that is reached over HTTP can be told."""

    base_url: str = setting("string", default="", description="address of the API")
    api_key: str | None = setting("string", secret=True, description="key")
    timeout: float = setting("number", default=300.0, above=0, description="seconds of silence before giving up")
    connect_timeout: float = setting("number", default=10.0, above=0, description="seconds to wait for a connection")
    deadline: float | None = setting("number", above=0, description="seconds for a whole call with its retries")
    max_retries: int = setting(
        "integer", default=2, minimum=0, maximum=20, description="further attempts after a passing failure"
    )
    verify_ssl: bool | str = setting(
        "boolean", default=True, also=("path",), description="false: accept any certificate; a path: trust this CA file"
    )
    proxies: Mapping[str, str] = setting(
        "mapping", factory=dict, secret=True, description="proxy by scheme, such as {'https': 'http://proxy:8080'}"
    )
    custom_headers: Mapping[str, str] = setting(
        "mapping", factory=dict, secret=True, description="headers to add to each request"
    )

    def __attrs_post_init__(self) -> None:
        _check_address(self.base_url)
        for name, headers in (("custom_headers", self.custom_headers), ("proxies", self.proxies)):
            if not all(isinstance(key, str) and isinstance(value, str) for key, value in headers.items()):
                raise ValueError(f"{name} must map strings to strings")
        for key, value in self.custom_headers.items():
            if any(character in "\r\n\0" for character in key + value):
                raise ValueError(f"custom_headers: {key!r} holds a line break")
            if not HEADER_NAME.fullmatch(key):
                raise ValueError(f"custom_headers: {key!r} is no name of a header")
            if not _fits_a_header(value):
                raise ValueError(f"custom_headers: {key!r} holds a character that no header can")
        if self.api_key is not None and not _fits_a_header(self.api_key):
            raise ValueError("api_key holds a line break, or a character that no header can: was it copied whole?")

    @property
    def needs_api_key(self) -> bool:
        """Whether a call must fail without a key; ``validate_provider_config`` asks this."""
        return False

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must appear in no output: settings declared as secret, and headers that may hold one."""
        own = _secret_settings(type(self))  # type: ignore[arg-type]  # a class has a hash, whatever its instances have
        hidden = [getattr(self, name) for name in own]
        for name, value in self.custom_headers.items():
            hidden += _secrets_of_header(name, value)
        hidden += map(_password, self.proxies.values())
        return tuple(value for value in hidden if value and len(value) >= MINIMUM_SECRET)

    def url(self, path: str) -> str:
        """The address of ``path`` below ``base_url``."""
        return self.base_url.rstrip("/") + "/" + path.lstrip("/")


HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110, section 5.6.2."""

MINIMUM_SECRET = 6
"""Shorter values are no secrets, and replacing them would garble messages."""

PLAIN_HEADERS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent"})
TELLING_HEADER = re.compile(
    r"auth|key|token|cookie|secret|sign|credential|passw|session|jwt|access|cert", re.IGNORECASE
)
"""Names of headers whose values are secrets, whatever they look like."""
PLAIN_WORD = re.compile(r"[A-Z]?[a-z]{1,15}|[A-Z]{1,6}|[0-9]{1,4}")
MOST_DIGITS = 8
"""In a value of such words; a date has as many, a number that opens something more."""


def load_config(
    config_class: type[ConfigType],
    values: Mapping[str, Any] | None,
    *,
    provider: str,
    environ: Mapping[str, str] | None = None,
    api_key_env: str | None = None,
    fallback: Mapping[str, Any] | None = None,
) -> ConfigType:
    """Make a configuration from a mapping, and from the environment for what the mapping leaves out.

    Args:
        environ: ``os.environ`` unless given.
        api_key_env: the variable that holds the key by custom.
        fallback: settings that count where neither the mapping nor the environment gives one, such as a file's.

    Raises:
        ConfigurationError: a key is unknown (the message suggests one), or a value is wrong.
    """
    if not isinstance(values, Mapping | None):
        raise ConfigurationError(f"{provider}: config must be a mapping, not {type(values).__name__}")
    environ = os.environ if environ is None else environ
    fields = {field.name: field for field in attrs.fields(config_class)}
    given = {name: value for name, value in (values or {}).items() if value is not None}
    later = {name: value for name, value in (fallback or {}).items() if value is not None}
    for name in (*given, *later):
        if name not in fields:
            raise ConfigurationError(f"{provider}: {_unknown(name, fields)}")
    for name, field in fields.items():
        if name in given or any(other in given for other in field.metadata.get("unless", ())):
            continue
        names = (*field.metadata.get("env", ()), *((api_key_env,) if name == "api_key" and api_key_env else ()))
        if variable := next((variable for variable in names if environ.get(variable)), None):
            given[name] = _from_environment(environ[variable], variable, field, provider)
    given = {**later, **given}
    return _built(config_class, given, provider)


def require_api_key(api_key: str | None, *, provider: str, variable: str | None) -> str:
    """The key.

    Raises:
        MissingApiKeyError: there is none; the message says where to put it.
    """
    if api_key and api_key.strip():
        return api_key
    where = f"set the environment variable {variable}, or pass" if variable else "pass"
    raise MissingApiKeyError(
        f"{provider} needs an API key: {where} {{'api_key': ...}} in its configuration", provider=provider
    )


def _built(config_class: type[ConfigType], given: Mapping[str, Any], provider: str) -> ConfigType:
    # Each value is tried alone first, so that the message can name the setting at fault.
    for name, value in given.items():
        field = getattr(attrs.fields(config_class), name)
        try:
            converted = field.converter(value) if field.converter else value
            if field.validator:
                field.validator(None, field, converted)
        except (ValueError, TypeError) as error:
            shown = "has an invalid value" if field.metadata.get("secret") else str(error)
            raise ConfigurationError(f"{provider}: setting {name} {shown}") from None
    try:
        return config_class(**given)
    except ConfigurationError:
        raise
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{provider}: {error}") from error


def _converted(value: Any, kinds: tuple[Kind, ...]) -> Any:
    for kind in kinds[1:]:
        try:
            return checked(value, kind)
        except ValueError:
            continue
    return checked(value, kinds[0])


def _from_environment(text: str, variable: str, field: attrs.Attribute[Any], provider: str) -> Any:
    try:
        return parsed(text, field.metadata.get("kind", "string"))
    except ValueError as error:
        shown = "has an invalid value" if field.metadata.get("secret") else str(error)
        raise ConfigurationError(f"{provider}: environment variable {variable} {shown}") from None


def _unknown(name: str, fields: Mapping[str, Any]) -> str:
    import difflib

    near = difflib.get_close_matches(str(name), fields, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(fields))}"
    return f"unknown setting {name!r}; {hint}"


def _fits_a_header(text: str) -> bool:
    return all(character.isprintable() and ord(character) < 256 for character in text.replace("\t", " "))


@functools.cache
def _secret_settings(config_class: type) -> tuple[str, ...]:
    known = ((field.name, field.metadata) for field in attrs.fields(config_class))
    return tuple(name for name, said in known if said.get("secret") and said.get("kind") == "string")


def _secrets_of_header(name: str, value: str) -> tuple[str, ...]:
    """The value, and what of it stands behind a scheme such as ``Bearer``; nothing where it can be no secret."""
    if not TELLING_HEADER.search(name) and (name.lower() in PLAIN_HEADERS or _is_plain(value)):
        return ()
    scheme, _, credential = value.partition(" ")
    return (value, credential.strip()) if scheme.isalpha() else (value,)


def _is_plain(value: str) -> bool:
    """Whether this is made of words, like a media type, a version or an address; a key mixes letters, cases and digits.

    In doubt it is not.
    """
    words = re.findall(r"[A-Za-z0-9]+", value)
    digits = sum(character.isdigit() for character in value)
    return bool(words) and digits <= MOST_DIGITS and all(map(PLAIN_WORD.fullmatch, words))


def _password(address: str) -> str:
    return address.rpartition("@")[0].rpartition(":")[2].lstrip("/")


def _check_address(address: str) -> None:
    if not address:
        return
    if any(character.isspace() or not character.isprintable() for character in address):
        raise ValueError("base_url must hold no space and no line break")
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
        parts = None
    if not usable or parts is None:
        shown = address if "@" not in address else "…@" + address.rpartition("@")[2]
        raise ValueError(f"base_url must look like 'https://host/v1', not {shown!r}")
    if parts.username or parts.password:
        raise ValueError("base_url must hold no user name or password; use api_key or custom_headers")
    if parts.query or parts.fragment:
        raise ValueError("base_url must have no query and no fragment")
