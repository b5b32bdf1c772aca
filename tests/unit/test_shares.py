"""The shop that fills a queue is named, where others share it."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from infra.telemetry.shares import BUSY_MESSAGES, WINDOW_S, Shares


@pytest.mark.parametrize(
    ("counts", "named"),
    [
        ({"s1": BUSY_MESSAGES, "s2": 10}, "s1"),
        ({"s1": BUSY_MESSAGES}, None),
        ({"s1": BUSY_MESSAGES, "s2": BUSY_MESSAGES}, None),
        ({"s1": 100, "s2": 1}, None),
    ],
)
def test_a_shop_that_fills_the_queue_of_others_is_named(counts: dict[str, int], named: str | None) -> None:
    shares = Shares("order_intake.order.place")
    with capture_logs() as lines:
        for shop, number in counts.items():
            shares.count([shop] * number, WINDOW_S * 2)
        shares.count([], WINDOW_S * 4)
        shares.count([], WINDOW_S * 6)

    assert [line["shop"] for line in lines] == ([named] if named else [])
