"""The docs page and the OpenAPI document. All files of the page are served here, so it works offline."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from threading import Lock

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)

_ASSETS = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # Swagger UI sets the style attributes of what it draws; no style sheet comes from elsewhere.
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tributary: the HTTP API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  validatorUrl: null,
  displayRequestDuration: true,
  syntaxHighlight: { activated: false },
  presets: [SwaggerUIBundle.presets.apis],
});
"""
_A_DAY = "public, max-age=86400"


_building = Lock()


@router.get("/openapi.json")
def document(request: Request) -> Response:
    """In a thread, and serialized once: the first request takes seconds, each further one would take 40 ms."""
    with _building:
        return Response(_document(request.app), media_type="application/json")


@cache
def _document(app: FastAPI) -> bytes:
    return json.dumps(app.openapi(), ensure_ascii=False, separators=(",", ":")).encode()


@router.get("/docs")
async def docs() -> HTMLResponse:
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-cache"})


@router.get("/docs/start.js")
async def start() -> Response:
    return Response(_START, media_type="text/javascript; charset=utf-8", headers={"Cache-Control": "no-cache"})


def _serve(name: str, media_type: str) -> None:
    async def asset() -> Response:
        return Response(_read(name), media_type=media_type, headers={"Cache-Control": _A_DAY})

    router.add_api_route(f"/docs/{name}", asset, name=name)


for _name, _media_type in _ASSETS.items():
    _serve(_name, _media_type)


@cache
def _read(name: str) -> bytes:
    """A file of Swagger UI, from the pinned package."""
    return (files("fastapi_swagger") / "resources" / name).read_bytes()
