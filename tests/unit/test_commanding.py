"""The outcome of an operator's command, from its reply."""

from __future__ import annotations

import pytest

from contracts.wire.catalogue import ALL
from contracts.wire.envelope import Refusal
from infra.cli.actions.commanding import Outcome


@pytest.mark.parametrize("refusal", [name for name, payload in ALL.items() if issubclass(payload, Refusal)])
def test_every_refusal_is_recognised_among_the_events_of_a_reply(refusal: str) -> None:
    data = {"reason": "order_unknown", "detail": "there is no such order."}
    events = ({"type": "order.paid.v1", "data": {}}, {"type": refusal, "data": data})

    assert Outcome("handled", "refused", events).refusal == data
    assert Outcome("handled", "paid", events[:1]).refusal is None
