"""An adjustment of a market or a distributor that does not exist is refused, with the way on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from api.http.problems import Problem
from api.identity.principal import Principal
from api.settlements.adjustments import NewAdjustment, propose_adjustment
from infra.statements.known import unknown_in
from tests.builders import MARKET, SELLER, put_in_force
from tests.workflow.system import System


@pytest.mark.parametrize(
    ("market", "distributor_id", "reason", "sentence"),
    [
        ("default", SELLER, None, ""),
        (MARKET, SELLER, None, ""),
        ("defualt", SELLER, "market_unknown", "There is no market defualt: "),
        ("default", 999, "distributor_unknown", "There is no distributor 999; "),
    ],
)
async def test_what_does_not_exist_is_named(
    system: System, market: str, distributor_id: int, reason: str | None, sentence: str
) -> None:
    for command in put_in_force():
        await system.publish(command)
        await system.run_until_idle()

    found = await unknown_in(system.store, market, distributor_id)

    assert (found.reason if found else None) == reason
    assert (found.detail if found else "").startswith(sentence)


class _Sent:
    """Takes the command of a request."""

    def __init__(self) -> None:
        self.commands: list[Any] = []

    async def write(self, command: Any, *_: Any, **__: Any) -> None:
        self.commands.append(command)


@pytest.mark.parametrize(("market", "reason"), [("defualt", "market_unknown"), ("default", None)])
async def test_a_request_for_an_unknown_market_sends_nothing(system: System, market: str, reason: str | None) -> None:
    for command in put_in_force():
        await system.publish(command)
        await system.run_until_idle()
    given = {"adjustment_id": "a-1", "market": market, "distributor_id": SELLER, "currency": "CNY", "amount": "12.50"}
    body = NewAdjustment.model_validate({**given, "reason": "goodwill", "note": "Late."})
    ports: Any = SimpleNamespace(store=system.store)
    writing: Any = _Sent()
    who = Principal("admin", "ann", frozenset({"settlements:write"}))

    refused = None
    try:
        await propose_adjustment(body, ports, who, writing)
    except Problem as problem:
        refused = problem.reason

    assert refused == reason
    assert len(writing.commands) == (reason is None)
