"""Every effect of a shop's message can be followed back to it, and belongs to the shop's own trace."""

from __future__ import annotations

from typing import Any

from contracts.wire.envelope import Message
from tests.builders import KEY, message, place, update
from tests.workflow.system import System

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def from_a_shop(order: Message[Any], **attributes: str) -> Message[Any]:
    return order.model_copy(update=attributes)


def ancestry(system: System, event: dict[str, Any]) -> list[str]:
    """The types that led to the event, nearest first; the last is the id of the shop's message."""
    events = system.events(*(f"{name}.v1" for name in ("order.accepted", "stock.reserved", "order.paid")))
    by_id = {known["id"]: known for known in events}
    found = []
    cause = event["causationid"]
    while cause in by_id:
        found.append(by_id[cause]["type"])
        cause = by_id[cause]["causationid"]
    return [*found, cause]


async def test_a_commission_leads_back_to_the_shops_message(system: System) -> None:
    order = from_a_shop(message(place(prepaid=True)), correlationid="basket-77", traceparent=PARENT)
    await system.send(order)
    await system.run_until_idle()

    [accrued] = system.events("commission.accrued.v1")
    assert ancestry(system, accrued) == ["order.paid.v1", "stock.reserved.v1", "order.accepted.v1", order.id]
    assert accrued["correlationid"] == "basket-77"
    version, trace, span, flags = accrued["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    spans = [event["traceparent"].split("-")[2] for event in system.events("order.accepted.v1", "order.paid.v1")]
    assert len({span, *spans, "00f067aa0ba902b7"}) == 4


async def test_without_a_correlation_id_the_order_correlates_everything(system: System) -> None:
    for payload in (place(), update("paid")):
        await system.publish(payload)
        await system.run_until_idle()

    events = system.events("order.accepted.v1", "stock.reserved.v1", "order.paid.v1", "commission.accrued.v1")
    assert {event["correlationid"] for event in events} == {f"order/{KEY}"}
    # The order and its payment came separately, without a common trace from the shop.
    assert len({event["traceparent"].split("-")[1] for event in events}) == 2
    records = system.store.table("journal.commission_calculation").find({"about": f"order/{KEY}"})
    assert [handled["outcome"] for record in records for handled in record["handled"]] == ["accrued"]


async def test_a_retry_keeps_id_correlation_and_trace(system: System) -> None:
    early = from_a_shop(message(update("paid")), correlationid="basket-77", traceparent=PARENT)
    await system.send(early)
    await system.run_until_idle()
    await system.publish(place())
    await system.run_until_idle(with_retries=True)

    [paid] = system.events("order.paid.v1")
    assert (paid["causationid"], paid["correlationid"]) == (early.id, "basket-77")
    assert paid["traceparent"].split("-")[1] == TRACE
