"""Payouts by the generated classes, from a batch to what became of it."""

from __future__ import annotations

from tests.api.front import unique
from tests.api.generated import Generated
from tests.api.world import World, paid_by, ticked
from tests.connected.running import until


async def pay_out(call: Generated, second: Generated, world: World, payout_id: str) -> None:
    await paid_by(world, world.seller)
    await until(lambda: _is_in(world, payout_id, "waiting"), what="the payout waits")
    named = {"market": world.market, "statement_ids": [payout_id]}
    rejected = await call("proposePayoutBatch", {"batch_id": unique("batch"), **named})
    await second("rejectPayoutBatch", {"reason": "wrong_period"}, batch_id=rejected.batch_id)
    await call("holdPayouts", {"reason": "under_review"}, distributor_id=world.seller)
    await second("releasePayouts", distributor_id=world.seller)
    batch = await call("proposePayoutBatch", {"batch_id": unique("batch"), **named})
    await second("approvePayoutBatch", {"digest": batch.digest}, batch_id=batch.batch_id)
    await ticked(world.front)
    await until(lambda: _is_in(world, payout_id, "sent"), what="the payout is sent")
    path = dict(zip(("market", "period", "distributor_id", "currency"), payout_id.split("/"), strict=True))
    await call("resolvePayout", {"attempt": 1, "outcome": "paid", "evidence": "Bank statement, line 7714"}, **path)
    paid = await second("confirmResolution", {"attempt": 1, "outcome": "paid"}, **path)
    assert paid.state.value == "paid"


async def _is_in(world: World, payout_id: str, state: str) -> bool:
    return bool(await world.front.site.documents("payouts.payouts", {"_id": payout_id, "state": state}))
