"""Payouts by the generated classes: payees, rates, corridors, and a batch to what became of it."""

from __future__ import annotations

from typing import Any

from tests.api.front import unique
from tests.api.generated import Generated
from tests.api.world import World, a_source, paid_by, ticked
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


async def payees(call: Generated, second: Generated, world: World) -> None:
    whose: dict[str, Any] = {"distributor_id": world.seller}
    other: dict[str, Any] = {"distributor_id": world.middle}
    method = {"rail": "manual", "currency": "CNY", "country": "CN", "holder": "Li Na"}
    shown = await call("setPayoutMethod", {**method, "account": unique("ACCOUNT")}, **whose)
    assert shown.distributor_id.root == str(world.seller)
    account = unique("ACCOUNT")
    replaced = await call("setPayoutMethod", {**method, "account": account}, **whose)
    await second("waiveCoolingOff", {"method_id": replaced.method.method_id}, **whose)
    wanted = {**method, "account": account}
    refused = await call.session.put(f"/api/distributors/{world.middle}/payout-method", json=wanted)
    assert refused.json()["reason"] == "duplicate_destination", refused.text
    waiting = (await second("showPayoutMethod", **other)).duplicate
    await second("allowDuplicate", {"fingerprint": waiting.fingerprint}, **other)
    identity = {"kind": "person", "legal_name": "Li Na", "id_type": "passport", "id_number": "G1234567"}
    submitted = await call("submitIdentity", {**identity, "country": "CN", "tax_residence": "CN"}, **whose)
    decision = {"identity_id": submitted.identity.identity_id, "state": "verified"}
    assert (await second("decideIdentity", decision, **whose)).identity.state.value == "verified"
    assert (await call("removePayoutMethod", **whose)).method is None


async def exchange_rates(call: Generated, second: Generated) -> None:
    table = {"source": a_source(), "base": "EUR", "rates": [{"currency": "CNY", "rate": "7.8000"}]}
    first = await call("publishRates", {**table, "table_id": unique("rates"), "as_of": "2026-11-01T00:00:00Z"})
    approved = await second("approveRates", {"digest": first.digest}, table_id=first.table_id)
    assert (approved.state.value, approved.rates[0].rate) == ("approved", "7.8000")
    later = await call("publishRates", {**table, "table_id": unique("rates"), "as_of": "2026-11-02T00:00:00Z"})
    rejected = await call("rejectRates", {"reason": "wrong_column"}, table_id=later.table_id)
    assert rejected.state.value == "rejected"


async def corridors(call: Generated, second: Generated) -> None:
    named = {"corridor_id": unique("corridor"), "rail": "wise", "from_country": "DE", "to_country": "US"}
    limit = [{"currency": "USD", "amount": "10000.00"}]
    defined = await call("defineCorridor", {**named, "currencies": ["USD"], "limit_per_payment": limit})
    opened = await second("approveCorridor", {"digest": defined.digest}, corridor_id=defined.corridor_id)
    assert (opened.state.value, opened.limit_per_payment) == ("open", {"USD": "10000.00"})
    closed = await call("closeCorridor", {"reason": "policy_changed"}, corridor_id=defined.corridor_id)
    assert closed.closed_by is not None
