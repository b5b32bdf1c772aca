"""What an operator's command came to, as the reply says."""

from __future__ import annotations

import pytest

from contracts.wire.catalogue import ALL
from contracts.wire.envelope import Refusal
from infra.cli.actions.commanding import Outcome


@pytest.mark.parametrize("refusal", [name for name, payload in ALL.items() if issubclass(payload, Refusal)])
def test_every_refusal_is_recognised_among_the_events_of_a_reply(refusal: str) -> None:
    why = {"reason": "order_unknown", "detail": "there is no such order."}
    events = ({"type": "order.paid.v1", "data": {}}, {"type": refusal, "data": why})

    assert Outcome("handled", "refused", events).refusal == why
    assert Outcome("handled", "paid", events[:1]).refusal is None
