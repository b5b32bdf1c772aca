"""Reading JSON bodies, as strictly as the workers read messages.

The standard library's parser accepts lone surrogates, which are not Unicode text: they can be neither stored, nor
hashed, nor sent back. A body of a megabyte can have hundreds of thousands of values, and each costs time to read and
more to refuse; so values are limited as well. Where a login is needed it is verified before the body is read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, Self

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import PydanticCustomError, from_json
from starlette.exceptions import HTTPException

from api.http.ids import numbers_of
from api.http.limits import needs_login
from api.http.requests import TooLarge
from contracts.fields import NAME_PATTERN

PARTS_MAX = 50_000
"""Commas, colons and brackets of a JSON text: an order of 500 lines has 5,000, rules with 10,000 rates have 40,000."""

FIELDS_MAX = 100

ERRORS_MAX = 200
"""Of one body. Of more only their number is given: each would become a dictionary, three times."""

VISIBLE = Field(pattern=NAME_PATTERN)
"""For a name that people see. The commands refuse others too, but released schemas of messages have no pattern."""


class UnreadableBody(HTTPException, ValueError):
    """Well-formed JSON with a value that cannot be stored: a lone surrogate, or NaN or infinity.

    An HTTP exception, because FastAPI treats any other as a malformed body.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(422, detail)


def read_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8, 16 or 32, with or without a byte order mark.

    Raises JSONDecodeError, UnreadableBody where only the standard library would read it, and TooLarge.
    """
    try:
        text = body.decode(json.detect_encoding(body))
        if sum(map(text.count, ",:[{")) > PARTS_MAX:
            raise TooLarge(f"Send {PARTS_MAX} values, fields and lists or fewer; split the request.")
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        if _is_json(body):
            raise UnreadableBody(str(error)) from error
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
    """A route whose JSON body is read by `read_json`, after the login; the `route_class` of every router with bodies.

    The framework by itself reads the body before it asks who sent it.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, is_private = super().get_route_handler(), needs_login(self.path)

        async def handle_body(request: Request) -> Response:
            if is_private:
                await request.app.state.authenticate(request)
            try:
                return await handle(_BodyRequest(request.scope, request.receive))
            except UnreadableBody as error:
                problem = {"type": "string_unicode", "loc": ("body",), "msg": error.detail, "input": None}
                raise RequestValidationError([problem]) from error

        return handle_body


class Body(BaseModel):
    """A request body. Unknown fields are refused: a misspelt one must not pass silently."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _with_few_errors(cls, value: Any, validate: ModelWrapValidatorHandler[Self]) -> Self:
        # Each unknown field would be an error of its own.
        if isinstance(value, dict) and len(value) > FIELDS_MAX:
            raise PydanticCustomError("too_many_fields", f"Send {FIELDS_MAX} fields or fewer.")
        try:
            return validate(value)
        except ValidationError as error:
            if (count := error.error_count()) > ERRORS_MAX:
                raise PydanticCustomError("too_many_errors", f"{count} fields or values are wrong.") from None
            raise
