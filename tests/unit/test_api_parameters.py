"""Numbers in addresses and queries have the form of the OpenAPI document."""

from __future__ import annotations

import json
from typing import Annotated

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from api.app import OWN_IDENTITY
from api.app import ROUTERS as OTHERS
from api.http.openapi import operations
from api.http.parameters import AS_IN_JSON
from tests.unit.test_api_openapi import DOCUMENT

ROUTERS = (*OTHERS, *OWN_IDENTITY)

WHOLE: TypeAdapter[int] = TypeAdapter(Annotated[int, AS_IN_JSON])


@pytest.mark.parametrize("number", [0, 7, -3, 2**53, 2**63 - 1])
def test_a_json_integer_is_read(number: int) -> None:
    assert WHOLE.validate_python(json.dumps(number)) == number


@pytest.mark.parametrize(
    "text", ["1_0", "+1", " 1", "1 ", "1\n", "01", "1.0", "1e1", "１０", "-0_0", "--1", "", "0x1", "None"]
)
def test_other_spellings_of_a_number_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        WHOLE.validate_python(text)


def test_every_number_in_an_address_or_a_query_is_checked() -> None:
    fields = [
        (f"{route.path}: {field.name}", field)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for field in (*route.dependant.path_params, *route.dependant.query_params)
    ]
    assert len(fields) > 50
    assert [name for name, field in fields if field.validate("1_0", {}, loc=("query",)) == (10, [])] == []


def test_the_document_has_the_limits_of_every_number() -> None:
    without = [
        f"{path}: {parameter['name']}"
        for path, _, operation in operations(DOCUMENT)
        for parameter in operation.get("parameters", ())
        for schema in (parameter["schema"], *parameter["schema"].get("anyOf", ()))
        if schema.get("type") == "integer" and not {"minimum", "maximum"} <= schema.keys()
    ]
    assert without == []
