"""Reading JSON bodies, as strictly as the workers read messages.

The standard library's parser lets halves of surrogate pairs through, which are no Unicode text: no store keeps them, no
hash takes them, and no answer can repeat them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json


def read_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8, 16 or 32, with a byte order mark or without. Raises JSONDecodeError."""
    try:
        return from_json(body.decode(json.detect_encoding(body)), allow_inf_nan=False)
    except ValueError as error:
        raise json.JSONDecodeError(str(error), "", 0) from error


class _BodyRequest(Request):
    async def json(self) -> Any:
        return read_json(await self.body())


class BodyRoute(APIRoute):
    """A route whose JSON body is read by `read_json`; every router that takes bodies names it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_body(request: Request) -> Response:
            return await handle(_BodyRequest(request.scope, request.receive))

        return handle_body
