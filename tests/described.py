"""The API's own description, which takes seconds to build: every test of a process reads the same one."""

from __future__ import annotations

from functools import cache
from typing import Any

from api.app import create_app
from infra.settings import Settings


def no_ports() -> Any:
    raise AssertionError("describing the API needs no server")


@cache
def api_document() -> dict[str, Any]:
    """The OpenAPI document of an API with default settings. Readers must not change it."""
    document: dict[str, Any] = create_app(Settings(), no_ports).openapi()
    return document
