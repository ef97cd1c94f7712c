"""What is served: providers with their health, models, routes, and who would be asked."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from airouter_core.errors import AirouterError

from ...admin import shapes
from ...dialects.refusals import without_keys
from ..guards import Console, Form
from ..rendering import page, wants_part
from ..sessions import Session

PROMPT = "Hello!"


async def models(console: Console, request: Request, session: Session) -> Response:
    """The page."""
    found = await console.admin.models()
    wanted = request.query_params.get("find", "").strip()
    shown = [model for model in found if wanted.lower() in model.id.lower()]
    if wants_part(request):
        return page("parts/models.html", session, models=shown, find=wanted)
    return page("models.html", session, models=shown, find=wanted, **_explaining("", PROMPT))


async def health(console: Console, request: Request, session: Session) -> Response:
    """How the providers are doing: they are asked, which takes a moment."""
    name = "parts/health.html" if wants_part(request) else "health.html"
    return page(name, session, here="models", health=await console.admin.health())


async def explain(console: Console, request: Request, session: Session, form: Form) -> Response:
    """Who would be asked."""
    address, prompt = form.get("address", "").strip(), form.get("prompt", "")
    explained: shapes.Explained | None = None
    message = None
    try:
        explained = await console.admin.explain(address, prompt)
    except AirouterError as error:
        message = without_keys(str(error))
    told = _explaining(address, prompt, explained, message)
    if wants_part(request):
        return page("parts/explained.html", session, **told)
    return page("models.html", session, models=await console.admin.models(), find="", **told)


def _explaining(
    address: str, prompt: str, explained: shapes.Explained | None = None, message: str | None = None
) -> dict[str, Any]:
    return {"address": address, "prompt": prompt, "explained": explained, "message": message}
