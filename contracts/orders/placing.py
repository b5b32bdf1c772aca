"""When an order counts as placed: the shop's time, within the limits of our own clock; and who placed it."""

from __future__ import annotations

from datetime import datetime

from contracts.network.view import Shop
from contracts.orders.v2 import PlaceOrder
from contracts.times import CLOCK_SKEW_MAX, ORDER_AGE_MAX
from contracts.wire.envelope import SHOP_SOURCE, Message
from contracts.wire.reading import BARE_SOURCE

_DISTRIBUTOR_SOURCE = "api/distributor/"
"""How the source of a command begins that a distributor has sent over HTTP: no other way leads to the broker."""


MADE = "o-"
"""How every order id begins that the server makes; a shop must not take one before the server does."""


def placer_of(source: str) -> str | None:
    """The distributor who sent a command; None for a shop, an administrator and everyone else.

    Every login of a distributor is one placer. A source without the number, as it was written once, has its login.
    """
    if not source.startswith(_DISTRIBUTOR_SOURCE):
        return None
    sender = source.removeprefix(_DISTRIBUTOR_SOURCE)
    login, _, distributor_id = sender.rpartition("/")
    return distributor_id if login and distributor_id.isdecimal() else sender


class PlacingError(ValueError):
    """The order may not be placed so. `reason` is the code, `detail` a sentence for the shop."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def check_number(message: Message[PlaceOrder]) -> None:
    """A shop at the broker takes no number that is made for others; over HTTP the API makes one for it too."""
    if message.data.order_id.startswith(MADE) and (
        message.source == BARE_SOURCE or message.source.startswith(SHOP_SOURCE)
    ):
        detail = f"order_id: ids that begin with {MADE} are made for orders of distributors; choose another."
        raise PlacingError("order_id_reserved", detail)


def placed_at_of(message: Message[PlaceOrder], shop: Shop) -> datetime:
    """Return when the customer ordered, never after our receipt: rules, tiers and the month are as of then.

    A shop may have been offline for a while. Older orders are history, which a shop may enter only as far back as its
    registration allows: a freely chosen date would let the sender choose the rules.
    """
    received_at = message.received_at
    placed_at = message.data.placed_at or message.time
    if placed_at > received_at + CLOCK_SKEW_MAX:
        raise PlacingError("placed_in_future", f"placed_at: {placed_at.isoformat()} has not come yet.")
    if placed_at < received_at - ORDER_AGE_MAX and (shop.history_from is None or placed_at < shop.history_from):
        detail = (
            f"placed_at: {placed_at.isoformat()} is more than {ORDER_AGE_MAX.days} days before the order arrived, at "
            f"{received_at.isoformat()}; to enter history, have an administrator register shop {shop.shop_id} with "
            "history_from at that time or earlier."
        )
        raise PlacingError("placed_too_long_ago", detail)
    return min(placed_at, received_at)
