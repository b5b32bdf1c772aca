"""Every id in a path of the API has an owner that the authorisation tests know."""

from __future__ import annotations

from typing import Any

from api.app import create_app
from api.http.openapi import operations
from infra.settings import Settings
from tests.api.ownership import EVERYBODYS, OPERATORS, THINGS, ids_in


def _no_ports() -> Any:
    raise AssertionError("describing the API needs no server")


def test_every_id_in_a_path_has_an_owner() -> None:
    named = {name for path, _, _ in operations(create_app(Settings(), _no_ports).openapi()) for name in ids_in(path)}
    known = {*THINGS, *EVERYBODYS, *OPERATORS}

    missing = ", ".join(sorted(named - known))
    assert not missing, f"add {missing} to THINGS, EVERYBODYS or OPERATORS in tests/api/ownership.py: who may see it?"
    gone = ", ".join(sorted(known - named))
    assert not gone, f"no path of the API has {gone}; remove it from tests/api/ownership.py"
