"""Configuration: from mappings and the environment, with errors that help and show no secret."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig
from airouter_core.config.loading import load_config, require_api_key
from airouter_core.config.provider import ProviderConfig
from airouter_core.errors import ConfigurationError, MissingApiKeyError

SECRET = "sk-planted-0123456789"


@attrs.frozen(kw_only=True)
class Config(HttpConfig):
    """A plugin's configuration."""

    base_url: str = setting("string", default="https://api.example.com/v1", env=("EXAMPLE_URL", "EXAMPLE_BASE_URL"))
    level: int = setting("integer", default=1, minimum=0, maximum=9, env=("EXAMPLE_LEVEL",))
    options: Mapping[str, Any] = setting("mapping", factory=dict, env=("EXAMPLE_OPTIONS",))
    token: str | None = setting("string", secret=True, choices=("a-good-token",), env=("EXAMPLE_TOKEN",))


def load(values: Any = None, environ: dict[str, str] | None = None, **options: Any) -> Config:
    return load_config(Config, values, provider="example", environ=environ or {}, **options)


def test_defaults_are_the_promised_ones() -> None:
    """Ten seconds to connect, five minutes of silence, two retries, certificates checked."""
    config = load()
    assert (config.connect_timeout, config.timeout, config.deadline, config.max_retries) == (10, 300, None, 2)
    assert config.verify_ssl is True
    assert (config.unsupported_parameters, config.log_content) == ("warn", False)
    assert load({}) == load(None) == load({"timeout": None})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("api_kay", "unknown setting 'api_kay'; did you mean 'api_key'"),
        ("maxretries", "unknown setting 'maxretries'; did you mean 'max_retries'"),
        ("xyzzy", "unknown setting 'xyzzy'; known are api_key, base_url"),
        (7, "unknown setting 7; known are"),
    ],
)
def test_unknown_settings(name: Any, message: str) -> None:
    """An unknown key is an error with a suggestion, or with the list of those known."""
    with pytest.raises(ConfigurationError, match=f"example: {message}"):
        load({name: "x"})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("x", "config must be a mapping, not str"),
        ({"timeout": 0}, "setting timeout must be greater than 0, not 0"),
        ({"timeout": "long"}, "setting timeout must be a number, not str 'long'"),
        ({"timeout": 10**400}, "setting timeout must be a number"),
        ({"max_retries": 21}, "setting max_retries must be at most 20, not 21"),
        ({"max_retries": True}, "setting max_retries must be a whole number, not bool True"),
        ({"verify_ssl": 1}, "setting verify_ssl must be true or false, not int 1"),
        ({"unsupported_parameters": "drop"}, "setting unsupported_parameters must be one of warn, error"),
        ({"level": 10}, "setting level must be at most 9, not 10"),
        ({"base_url": "api.example.com"}, "base_url must look like 'https://host/v1', not 'api.example.com'"),
        ({"base_url": "ftp://api.example.com"}, "base_url must look like"),
        ({"base_url": "http://"}, "base_url must look like"),
        ({"base_url": "http://h:port"}, "base_url must look like"),
        ({"base_url": "http://h:0"}, "base_url must look like"),
        ({"base_url": "http://[::1"}, "base_url must look like"),
        ({"base_url": "http://h/v1 "}, "base_url must hold no space"),
        ({"base_url": "http://h\n/v1"}, "base_url must hold no space"),
        ({"base_url": "http://h/v1?x=1"}, "no query"),
        ({"base_url": "http://h/v1#x"}, "no query and no fragment"),
        ({"custom_headers": {"A": 1}}, "custom_headers must map strings to strings"),
        ({"proxies": {"https": None}}, "proxies must map strings to strings"),
        ({"custom_headers": [("A", "b")]}, "setting custom_headers has an invalid value"),
        ({"custom_headers": {"A": "b\r\nC: d"}}, "custom_headers: 'A' holds a line break"),
        ({"custom_headers": {"A\n": "b"}}, "custom_headers: .* holds a line break"),
        ({"custom_headers": {"A b": "c"}}, "custom_headers: 'A b' is no name of a header"),
        ({"custom_headers": {"": "c"}}, "custom_headers: '' is no name of a header"),
        ({"custom_headers": {"A": "\u2028"}}, "custom_headers: 'A' holds a character that no header can"),
    ],
)
def test_wrong_settings(values: Any, message: str) -> None:
    """A value that is wrong is an error that names its setting and says what is right."""
    with pytest.raises(ConfigurationError, match=f"example: .*{message}"):
        load(values)


def test_times_may_be_parts_of_a_second() -> None:
    """Any number above zero is a time, for a connection as for silence and for a whole call."""
    config = load({"connect_timeout": 0.5, "timeout": 0.25, "deadline": 0.125})
    assert (config.connect_timeout, config.timeout, config.deadline) == (0.5, 0.25, 0.125)
    for name in ("connect_timeout", "timeout", "deadline"):
        with pytest.raises(ConfigurationError, match=f"setting {name} must be greater than 0"):
            load({name: 0})


@pytest.mark.parametrize("url", ["http://localhost:11434", "https://h/v1/", "http://[::1]:8080/v1", "HTTP://H/v1"])
def test_good_addresses(url: str) -> None:
    """An address is kept as given; paths are put below it, with one slash between."""
    config = load({"base_url": url})
    assert config.base_url == url
    assert config.url("/models") == config.url("models") == url.rstrip("/") + "/models"


@pytest.mark.parametrize("user", [f"user:{SECRET}@", f"{SECRET}@"])
@pytest.mark.parametrize("scheme", ["https://", "ftp://", ""])
def test_passwords_in_addresses_are_refused_unshown(scheme: str, user: str) -> None:
    """A key in the address would be logged by everything on the way; it is refused, and not shown."""
    with pytest.raises(ConfigurationError) as caught:
        load({"base_url": f"{scheme}{user}api.example.com"})
    assert SECRET not in str(caught.value)


def test_the_environment_gives_what_the_mapping_does_not() -> None:
    """A setting comes from the mapping, else from its variables in their order, else from its default."""
    environ = {"EXAMPLE_BASE_URL": "http://second", "EXAMPLE_LEVEL": "3", "EXAMPLE_OPTIONS": '{"a": 1}'}
    config = load({}, environ)
    assert (config.base_url, config.level, config.options) == ("http://second", 3, {"a": 1})
    assert load({}, {**environ, "EXAMPLE_URL": "http://first"}).base_url == "http://first"
    assert load({}, {**environ, "EXAMPLE_URL": ""}).base_url == "http://second"
    assert load({"base_url": "http://given"}, environ).base_url == "http://given"
    assert load({"base_url": None}, environ).base_url == "http://second"


def test_the_key_comes_from_the_customary_variable() -> None:
    """``api_key_env`` names the variable that holds the key, for this setting alone."""
    config = load({}, {"EXAMPLE_API_KEY": SECRET}, api_key_env="EXAMPLE_API_KEY")
    assert config.api_key == SECRET
    assert (
        load({"api_key": "given-key"}, {"EXAMPLE_API_KEY": SECRET}, api_key_env="EXAMPLE_API_KEY").api_key
        == "given-key"
    )
    assert load({}, {"EXAMPLE_API_KEY": SECRET}).api_key is None


def test_the_process_environment_is_read_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``environ`` the variables are those of the process, at the time of the call."""
    monkeypatch.setenv("EXAMPLE_LEVEL", "5")
    assert load_config(Config, {}, provider="example").level == 5


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"EXAMPLE_LEVEL": "high"}, "environment variable EXAMPLE_LEVEL must be a whole number, not 'high'"),
        ({"EXAMPLE_LEVEL": "10"}, "setting level must be at most 9"),
        ({"EXAMPLE_OPTIONS": "{"}, "environment variable EXAMPLE_OPTIONS must be a JSON object"),
        ({"EXAMPLE_URL": "nowhere"}, "base_url must look like"),
    ],
)
def test_wrong_variables(environ: dict[str, str], message: str) -> None:
    """A variable that does not say such a value is named."""
    with pytest.raises(ConfigurationError, match=message):
        load({}, environ)


@pytest.mark.parametrize(
    "values",
    [
        {"token": SECRET},
        {"api_key": [SECRET]},
        {"api_key": f"{SECRET}\n"},
        {"api_key": f"{SECRET}\u201d"},
        {"custom_headers": {"Authorization": f"{SECRET}\r\n"}},
        {"custom_headers": {"Authorization": f"{SECRET}\u201d"}},
        {"custom_headers": SECRET},
        {"custom_headers": {"A": [SECRET]}},
        {"proxies": SECRET},
    ],
    ids=str,
)
def test_secrets_are_in_no_error(values: dict[str, Any]) -> None:
    """What is wrong with a secret is said without saying the secret, in the message and in the traceback."""
    with pytest.raises(ConfigurationError) as caught:
        load(values)
    error = caught.value
    shown = "".join(traceback.format_exception(error.with_traceback(None)))
    assert SECRET not in shown
    assert SECRET not in repr(error)
    assert SECRET.encode() not in pickle.dumps(error)


def test_a_secret_from_the_environment_is_in_no_error() -> None:
    """A secret that is wrong in the environment is not shown either."""
    with pytest.raises(ConfigurationError, match="setting token has an invalid value") as caught:
        load({}, {"EXAMPLE_TOKEN": SECRET})
    assert SECRET not in str(caught.value)


def test_secrets_are_in_no_repr() -> None:
    """Keys, headers and proxies are kept out of repr, and named as what must be hidden."""
    config = load(
        {
            "api_key": SECRET,
            "custom_headers": {"X-Key": f"{SECRET}-header"},
            "proxies": {"https": f"http://user:{SECRET}-proxy@proxy:8080"},
        }
    )
    assert SECRET not in repr(config)
    assert SECRET not in str(config)
    assert {SECRET, f"{SECRET}-header", f"{SECRET}-proxy"} <= set(config.secrets)
    assert "http://proxy" not in config.secrets


def test_short_values_are_no_secrets() -> None:
    """Hiding short values would garble every message."""
    assert load({"api_key": "none", "custom_headers": {"A": "1"}}).secrets == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Type", "application/json; charset=utf-8"),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("X-Format", "application/json"),
        ("X-Title", "My Team's Assistant"),
        ("X-Version", "2026-10-21"),
        ("X-Beta", "prompt-caching-2024-07-31"),
        ("HTTP-Referer", "https://example.com/app"),
        ("X-Environment", "production"),
    ],
)
def test_headers_that_hold_words_are_no_secrets(name: str, value: str) -> None:
    """Hiding them would garble what a server says of them."""
    assert load({"custom_headers": {name: value}}).secrets == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Api-Key", "swordfish"),
        ("Cookie", "session=swordfish"),
        ("X-Request-Signature", "swordfish"),
        ("X-Tenant", "a1b2c3d4"),
        ("X-Tenant", "QWxhZGRpbjpvcGVu"),
        ("X-Tenant", "abcdefghijklmnopqrst"),
        ("X-Tenant", "3f2a91bc-77aa-4e2d-9c1b-0123456789ab"),
        ("X-Tenant", "1234-5678-9012"),
        ("X-Tenant", "$%&/()=?"),
        ("HTTP-Referer", "https://example.com/?s=9f8e7d6c5b4a"),
    ],
)
def test_headers_that_may_hold_a_secret_are_hidden(name: str, value: str) -> None:
    """By the name, or because no word looks like that; in doubt too."""
    assert load({"custom_headers": {name: value}}).secrets == (value,)


def test_a_credential_is_hidden_without_its_scheme_too() -> None:
    """A server that repeats it may leave out the scheme."""
    assert load({"custom_headers": {"Authorization": "Bearer swordfish"}}).secrets == ("Bearer swordfish", "swordfish")


def test_every_setting_declared_as_secret_is_hidden() -> None:
    """Those of a plugin's own too."""
    assert load({"token": "a-good-token"}).secrets == ("a-good-token",)


def test_a_configuration_made_directly_is_checked_too() -> None:
    """Constructing the class converts and checks as loading does."""
    assert Config(level=3.0).level == 3  # type: ignore[arg-type]  # a whole number, written as a float
    with pytest.raises(ValueError, match="at most 9"):
        Config(level=10)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Config().level = 2  # type: ignore[misc]  # the mistake is the point


def test_a_provider_without_http_has_few_settings() -> None:
    """What every provider can be told is small."""
    assert {field.name for field in attrs.fields(ProviderConfig)} == {"unsupported_parameters", "log_content"}
    config = load_config(ProviderConfig, {"log_content": True}, provider="p", environ={})
    assert config.log_content is True


def test_certificates_may_be_checked_against_a_file() -> None:
    """``verify_ssl`` is true, false, or the path of a CA file."""
    assert load({"verify_ssl": False}).verify_ssl is False
    assert load({"verify_ssl": "/ca.pem"}).verify_ssl == "/ca.pem"


def test_the_key_that_is_needed() -> None:
    """A key that is missing is an error that says where to put it; blanks are no key."""
    assert require_api_key(SECRET, provider="p", variable="P_KEY") == SECRET
    for key in (None, "", "  "):
        with pytest.raises(MissingApiKeyError, match=r"set the environment variable P_KEY, or pass \{'api_key'"):
            require_api_key(key, provider="p", variable="P_KEY")
    with pytest.raises(MissingApiKeyError, match="p needs an API key: pass"):
        require_api_key(None, provider="p", variable=None)


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in attrs.fields(Config)]) | st.text(max_size=5),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.lists(st.text()),
        max_size=4,
    )
)
def test_nothing_but_a_configuration_or_an_error_of_ours(values: dict[str, Any]) -> None:
    """Whatever is given, it is a configuration or a ConfigurationError."""
    try:
        config = load(values)
    except ConfigurationError as error:
        config = None
        said = str(error)
    assert config is not None or said.startswith("example: ")
