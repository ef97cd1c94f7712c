"""What the Gemini provider can be told."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

import attrs

from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig

STUDIO = "https://generativelanguage.googleapis.com"
VERTEX = "aiplatform.googleapis.com"
"""The host of Vertex AI; each location but ``global`` stands before it, and those of several regions inside."""
SEVERAL_REGIONS = frozenset({"us", "eu"})
STUDIO_VERSION, VERTEX_VERSION = "v1beta", "v1beta1"
CREDENTIAL_HEADERS = frozenset({"x-goog-api-key", "authorization"})


@attrs.frozen(kw_only=True)
class GeminiConfig(HttpConfig):
    """Settings; see the README for what each is good for."""

    base_url: str = setting(
        "string",
        default=STUDIO,
        env=("GOOGLE_GEMINI_BASE_URL",),
        description="address of the API, or of a gateway before it; on Vertex AI the location's own unless given",
    )
    api_key: str | None = setting(
        "string", secret=True, env=("GOOGLE_API_KEY",), description="key of AI Studio, or of Vertex AI's express mode"
    )
    api: Literal["generate", "interactions"] = setting(
        "string",
        default="generate",
        choices=("generate", "interactions"),
        description="which API to speak: generateContent, or Interactions",
    )
    api_version: str | None = setting(
        "string",
        env=("GOOGLE_GENAI_API_VERSION",),
        description=f"{STUDIO_VERSION} unless given, on Vertex AI {VERTEX_VERSION}",
    )
    include_thoughts: bool = setting("boolean", default=False, description="ask for summaries of what models think")
    store: bool = setting("boolean", default=False, description="let Google keep what is said (Interactions API)")
    vertex: bool = setting(
        "boolean", default=False, env=("GOOGLE_GENAI_USE_VERTEXAI",), description="ask Vertex AI, not AI Studio"
    )
    project: str | None = setting(
        "string", env=("GOOGLE_CLOUD_PROJECT",), description="project on Vertex AI; without one, a key is needed there"
    )
    location: str = setting("string", default="global", env=("GOOGLE_CLOUD_LOCATION",), description="where to ask")
    access_token: str | None = setting(
        "string",
        secret=True,
        description="OAuth token for Vertex AI; else google-auth finds one (pip install 'airouter-gemini[vertex]')",
    )

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if not self.base_url:
            raise ValueError(f"base_url is empty; leave it out to reach {STUDIO}")
        if self.vertex and self.api == "interactions":
            raise ValueError("the Interactions API is asked for at AI Studio; leave vertex or api out")
        for name in ("api_version", "project", "location"):
            value = getattr(self, name) or ""
            if not value.isprintable() or "/" in value:
                raise ValueError(f"{name} has an invalid value {value!r}")

    @property
    def needs_api_key(self) -> bool:
        """Whether a call must fail without a key: Google asks for one, a gateway may not."""
        if self.own_credential or self.uses_token:
            return False
        return self.is_vendor

    @property
    def is_vendor(self) -> bool:
        """Whether this is Google's own address."""
        return self.base_url.rstrip("/") in (STUDIO, f"{STUDIO}/{STUDIO_VERSION}")

    @property
    def own_credential(self) -> bool:
        """Whether ``custom_headers`` hold a credential, so that none is added."""
        return any(name.lower() in CREDENTIAL_HEADERS for name in self.custom_headers)

    @property
    def uses_token(self) -> bool:
        """Whether calls are made with an OAuth token: on Vertex AI, unless there is but a key (express mode)."""
        return self.vertex and (self.access_token is not None or self.project is not None or self.api_key is None)

    @property
    def version(self) -> str:
        return self.api_version or (VERTEX_VERSION if self.vertex else STUDIO_VERSION)

    @property
    def root(self) -> str:
        """The address without a version; other vendors' addresses end in one, so that people write it here too."""
        if self.vertex and self.is_vendor:
            return f"https://{_host(self.location)}"
        return self.base_url.rstrip("/").removesuffix(f"/{self.version}")

    def url(self, path: str) -> str:
        """The address of ``path`` below the root and its version."""
        return f"{self.root}/{self.version}/{path.lstrip('/')}"

    def resource(self, model: str) -> str:
        """The path of a model: ``models/…``, or what its name says itself."""
        name = quote(model, safe="/@")
        if not self.vertex:
            return name if model.startswith(("models/", "tunedModels/")) else f"models/{name}"
        if model.startswith("projects/"):
            return name
        name = name.removeprefix("models/")
        if not model.startswith("publishers/"):
            publisher, slash, rest = name.partition("/")
            name = f"publishers/{publisher}/models/{rest}" if slash else f"publishers/google/models/{name}"
        return f"{self.home}{name}"

    @property
    def home(self) -> str:
        """What stands before the names of resources on Vertex AI; nothing in express mode, and at AI Studio."""
        if not self.vertex or self.project is None:
            return ""
        return f"projects/{quote(self.project)}/locations/{quote(self.location)}/"


def _host(location: str) -> str:
    if location in SEVERAL_REGIONS:
        return f"aiplatform.{location}.rep.googleapis.com"
    return VERTEX if location == "global" else f"{location}-{VERTEX}"
