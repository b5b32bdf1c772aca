"""Every id in a path of the API has an owner that the authorisation tests know."""

from __future__ import annotations

from api.http.openapi import operations
from tests.api.ownership import EVERYBODYS, OPERATORS, THINGS, ids_in
from tests.described import api_document


def test_every_id_in_a_path_has_an_owner() -> None:
    named = {name for path, _, _ in operations(api_document()) for name in ids_in(path)}
    known = {*THINGS, *EVERYBODYS, *OPERATORS}

    missing = ", ".join(sorted(named - known))
    assert not missing, f"add {missing} to THINGS, EVERYBODYS or OPERATORS in tests/api/ownership.py: who may see it?"
    gone = ", ".join(sorted(known - named))
    assert not gone, f"no path of the API has {gone}; remove it from tests/api/ownership.py"
