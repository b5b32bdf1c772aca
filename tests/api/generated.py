"""Python classes that a generator makes from a document, and a client that makes its bodies with them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
from pydantic import SecretStr

from api.http.openapi import operations


def generated(source: Path, kind: str, folder: Path) -> ModuleType:
    made = folder / f"generated_{kind}.py"
    scopes = ("--openapi-scopes", "schemas", "paths") if kind == "openapi" else ()
    subprocess.run(
        [
            *(sys.executable, "-m", "datamodel_code_generator", "--input", str(source), "--input-file-type", kind),
            *(*scopes, "--output-model-type", "pydantic_v2.BaseModel", "--formatters", "builtin"),
            *("--output", str(made)),
        ],
        check=True,
        timeout=120,
    )
    spec = spec_from_file_location(made.stem, made)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[made.stem] = module
    spec.loader.exec_module(module)
    return module


def class_of(module: ModuleType, key: str) -> Any:
    """The class of a schema; the generator omits underscores."""
    return getattr(module, key.replace("_", ""))


@dataclass
class Generated:
    """Calls an operation by its id: its class makes the body, and the class of the answer parses it."""

    session: httpx.AsyncClient
    http: ModuleType
    described: Mapping[str, Any]
    used: set[str] = field(default_factory=set)

    async def __call__(self, name: str, body: Mapping[str, Any] | None = None, **named: Any) -> Any:
        path, method, operation = next(one for one in operations(self.described) if one[2]["operationId"] == name)
        sent = None
        if body is not None:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            made = class_of(self.http, schema["$ref"].rpartition("/")[2])(**body)
            sent = json.dumps(made.model_dump(exclude_unset=True), default=_plain)
        headers = {"Content-Type": "application/json"} if sent else {}
        if "If-Match" in {one["name"] for one in operation.get("parameters", ())}:
            headers["If-Match"] = "*"
        answer = await self.session.request(method, path.format(**named), content=sent, headers=headers)
        assert answer.is_success, f"{name} {answer.status_code} {answer.text}"
        self.used.add(name)
        content = operation["responses"][str(answer.status_code)].get("content")
        if content is None:
            assert answer.content == b"", name
            return None
        [(made, value)] = typed(self.http, content["application/json"]["schema"], answer.json())
        read = made.model_validate(value)
        assert read.model_dump(mode="json", by_alias=True, exclude_unset=True).keys() == value.keys(), name
        return read


def _plain(value: Any) -> Any:
    """The values that `json` cannot write. Generated classes mask passwords in pydantic's own JSON."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return value.value if isinstance(value, Enum) else value.isoformat()


def typed(http: ModuleType, schema: Mapping[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
    """Each object of the value with its class; of several classes the one with its fields."""
    if "$ref" in schema:
        yield class_of(http, schema["$ref"].rpartition("/")[2]), value
    elif choices := schema.get("oneOf") or schema.get("anyOf"):
        made = [class_of(http, one["$ref"].rpartition("/")[2]) for one in choices]
        yield next(one for one in made if value.keys() <= one.model_fields.keys()), value
    else:
        for one in value:
            yield from typed(http, schema["items"], one)
