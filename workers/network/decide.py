"""The rules of the network. History is kept: an order is paid by the chain and the tiers of its own time."""

from __future__ import annotations

from dataclasses import replace

from contracts.decision import Decision, NotYet
from contracts.envelope import Message
from contracts.network.v1 import (
    ChangeDistributor,
    DistributorChanged,
    DistributorRefused,
    DistributorRegistered,
    RegisterDistributor,
    RegisterShop,
    ShopRefused,
    ShopRegistered,
)
from contracts.network.view import Distributor, Shop, Standing
from contracts.orders.v1 import UPLINE_DEPTH_MAX
from workers.network.model import Network

Answer = Decision[Network] | NotYet[Network]


def register_shop(network: Network, message: Message[RegisterShop]) -> Answer:
    """A shop keeps its currency for life: its orders, stock values and commissions are in it."""
    wish = message.data
    known = network.shops.get(wish.shop_id)
    shop = Shop(wish.shop_id, wish.currency, wish.payment_deadline_s)
    if known == shop:
        return Decision(network, outcome="unchanged")
    if known is not None and known.currency != shop.currency:
        detail = f"currency: shop {shop.shop_id} sells in {known.currency}; register another shop for {shop.currency}."
        refused = ShopRefused(shop_id=shop.shop_id, reason="conflict", detail=detail)
        return Decision(network, (refused,), "refused")
    registered = ShopRegistered(
        shop_id=shop.shop_id, currency=shop.currency, payment_deadline_s=shop.payment_deadline_s
    )
    return Decision(network.with_shop(shop), (registered,), "registered")


def register_distributor(network: Network, message: Message[RegisterDistributor]) -> Answer:
    """A distributor joins below a sponsor who is there already, so the tree can have no cycle."""
    wish = message.data
    known = network.distributors.get(wish.distributor_id)
    if known is not None:
        if known.sponsor_id == wish.sponsor_id:
            return Decision(network, outcome="duplicate")
        detail = f"distributor_id: {wish.distributor_id} is registered under sponsor {known.sponsor_id or 'nobody'}."
        return _refuse(network, wish.distributor_id, "conflict", detail)
    if wish.sponsor_id == wish.distributor_id:
        return _refuse(network, wish.distributor_id, "own_sponsor", "sponsor_id: nobody sponsors themselves.")
    sponsor = network.distributors.get(wish.sponsor_id) if wish.sponsor_id is not None else None
    if wish.sponsor_id is not None and sponsor is None:
        detail = f"sponsor_id: distributor {wish.sponsor_id} is not registered."
        return NotYet("sponsor_unknown", _refuse(network, wish.distributor_id, "sponsor_unknown", detail))
    joined_at = wish.joined_at or message.time
    distributor = Distributor(
        distributor_id=wish.distributor_id,
        upline=(sponsor.distributor_id, *sponsor.upline)[: UPLINE_DEPTH_MAX - 1] if sponsor else (),
        standings=(Standing(joined_at, wish.tier, True),),
        sponsor_id=wish.sponsor_id,
    )
    registered = DistributorRegistered(
        distributor_id=wish.distributor_id, sponsor_id=wish.sponsor_id, tier=wish.tier, joined_at=joined_at
    )
    return Decision(network.with_distributor(distributor), (registered,), "registered")


def change_distributor(network: Network, message: Message[ChangeDistributor]) -> Answer:
    """Begin a new standing; the earlier ones stay, since orders of their time are judged by them."""
    wish = message.data
    known = network.distributors.get(wish.distributor_id)
    if known is None:
        detail = f"distributor_id: distributor {wish.distributor_id} is not registered."
        return NotYet("distributor_unknown", _refuse(network, wish.distributor_id, "distributor_unknown", detail))
    last = known.standings[-1]
    standing = Standing(
        since=wish.effective_at or message.time,
        tier=wish.tier or last.tier,
        active=last.active if wish.active is None else wish.active,
    )
    if standing in known.standings:
        return Decision(network, outcome="duplicate")
    if standing.since < last.since:
        detail = f"effective_at: a change holds from {last.since.isoformat()} already; give a later time."
        return _refuse(network, wish.distributor_id, "out_of_order", detail)
    changed = DistributorChanged(
        distributor_id=wish.distributor_id,
        tier=standing.tier,
        active=standing.active,
        effective_at=standing.since,
    )
    after = replace(known, standings=(*known.standings, standing))
    return Decision(network.with_distributor(after), (changed,), "changed")


def _refuse(network: Network, distributor_id: int, reason: str, detail: str) -> Decision[Network]:
    refused = DistributorRefused(distributor_id=distributor_id, reason=reason, detail=detail)
    return Decision(network, (refused,), "refused")
