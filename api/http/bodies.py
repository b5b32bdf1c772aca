"""Reading JSON bodies, as strictly as the workers read messages.

The standard library's parser lets halves of surrogate pairs through, which are no Unicode text: no store keeps them, no
hash takes them, and no answer can repeat them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from pydantic_core import from_json
from starlette.exceptions import HTTPException

from api.http.ids import numbers_of


class NotRead(HTTPException, ValueError):
    """It is JSON by its form, and says what cannot be kept: half a surrogate pair, or no number.

    An HTTP exception, because FastAPI takes any other for a malformed body.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(422, detail)


def read_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8, 16 or 32, with a byte order mark or without.

    Raises JSONDecodeError, and NotRead where only the standard library would read it.
    """
    try:
        text = body.decode(json.detect_encoding(body))
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        if _is_json(body):
            raise NotRead(str(error)) from error
        raise json.JSONDecodeError(str(error), "", 0) from error


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body.decode(json.detect_encoding(body)))
    except (ValueError, RecursionError):
        return False
    return True


class _BodyRequest(Request):
    async def json(self) -> Any:
        return numbers_of(read_json(await self.body()))


class BodyRoute(APIRoute):
    """A route whose JSON body is read by `read_json`; every router that takes bodies names it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_body(request: Request) -> Response:
            try:
                return await handle(_BodyRequest(request.scope, request.receive))
            except NotRead as error:
                problem = {"type": "string_unicode", "loc": ("body",), "msg": error.detail, "input": None}
                raise RequestValidationError([problem]) from error

        return handle_body


class Body(BaseModel):
    """A request body. Unknown fields are refused: a misspelt one must not pass silently."""

    model_config = ConfigDict(extra="forbid")
