"""`tributary settle adjust` refuses a market or a distributor that does not exist, with the way on."""

from __future__ import annotations

import pytest

from infra.cli.actions.settlement_changes import Adjusting, unknown_in
from tests.builders import MARKET, SELLER, put_in_force
from tests.workflow.system import System


def adjusting(market: str = "default", distributor_id: int = SELLER) -> Adjusting:
    return Adjusting("a-1", market, distributor_id, "CNY", "12.50", "goodwill", "Late.", "adjustment")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (adjusting(), None),
        (adjusting(MARKET), None),
        (adjusting("defualt"), "There is no market defualt: "),
        (adjusting(distributor_id=999), "There is no distributor 999; "),
    ],
)
async def test_what_does_not_exist_is_named(system: System, given: Adjusting, sentence: str | None) -> None:
    for command in put_in_force():
        await system.publish(command)
        await system.run_until_idle()

    found = await unknown_in(system.store, given)

    assert (found or "").startswith(sentence or "")
    assert (found is None) == (sentence is None)
