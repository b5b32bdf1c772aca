"""Over HTTP, an approval names the persons of whom the approver was found to be independent."""

from __future__ import annotations

import ast

import pytest

from contracts.wire.catalogue import ALL
from tests.architecture.sources import ROOT

APPROVALS = sorted(payload.__name__ for payload in ALL.values() if "independent_of" in payload.model_fields)


@pytest.mark.parametrize("command", APPROVALS)
def test_an_approval_over_http_names_whom_it_is_independent_of(command: str) -> None:
    """Without them, another could propose or approve between the check and the message unseen."""
    calls = [
        node
        for file in (ROOT / "api").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == command
    ]

    assert calls, f"{command} is not sent by the API"
    assert all(any(keyword.arg == "independent_of" for keyword in call.keywords) for call in calls)
