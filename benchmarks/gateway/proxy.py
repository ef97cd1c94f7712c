"""The floor: a proxy on aiohttp that decodes a question, sends it on, and passes the answer back. ``PORT UPSTREAM``."""

from __future__ import annotations

import json
import sys
from typing import Any

import aiohttp
from aiohttp import web

PORT, UPSTREAM = int(sys.argv[1]), sys.argv[2]
PATHS = {"m": "", "burst": "/x-n1000", "paced": "/x-n200-t10"}


async def chat(request: web.Request) -> web.StreamResponse:
    """Send on, and pass back; a stream untouched."""
    body: dict[str, Any] = json.loads(await request.read())
    model = body.pop("model").removeprefix("up/")
    session: aiohttp.ClientSession = request.app["session"]
    url = f"{UPSTREAM}{PATHS[model]}/v1/chat/completions"
    headers = {"Authorization": "Bearer none", "Content-Type": "application/json"}
    async with session.post(url, data=json.dumps({"model": "m", **body}), headers=headers) as answer:
        if not body.get("stream"):
            return web.json_response(json.loads(await answer.read()))
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        async for piece in answer.content.iter_any():
            await stream.write(piece)
        return stream


async def alive(request: web.Request) -> web.Response:
    """Whether it runs."""
    return web.Response(text="ok")


async def begin(app: web.Application) -> None:
    """Open the session."""
    app["session"] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


app = web.Application(client_max_size=32 << 20)
app.on_startup.append(begin)
app.router.add_post("/v1/chat/completions", chat)
app.router.add_get("/health/live", alive)
web.run_app(app, host="127.0.0.1", port=PORT, access_log=None, print=None)
