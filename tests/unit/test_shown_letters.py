"""A dead letter takes little more of the screen than it has bytes, whatever its sender wrote."""

from __future__ import annotations

import pytest

from infra.cli.actions.dead_view import detail_lines
from tests.unit.letters import a_letter

USUAL = '{"shop_id":"s1","lines":[{"product_id":1}]}'


def shown(body: str) -> str:
    lines = list(detail_lines(a_letter(body=body, traceback=None)))
    return "\n".join(lines[lines.index("body") + 1 :])


def test_usual_json_is_indented() -> None:
    assert shown(USUAL).splitlines()[1] == '    "shop_id": "s1",'


@pytest.mark.parametrize(
    "body",
    [
        "[" + ",".join(["[" * 900 + "]" * 900] * 40) + "]",
        "[" * 70_000,
        "[" + ",".join(["1"] * 500_000) + "]",
        "x" * 1_000_000,
    ],
)
def test_a_hostile_body_is_not_made_larger(body: str) -> None:
    text = shown(body)
    assert len(text) < min(len(body), 64 * 1024) + 200
    assert ("--json has all of them" in text) == (len(body) > 64 * 1024)
