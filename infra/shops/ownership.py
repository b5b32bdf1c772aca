"""Shops at the broker: a shop's login speaks for that shop alone.

The broker lets a login write to one exchange, which leads to the commands of shops, and checks `user_id`. Here the rest
is compared: the message must name the shop of its login, and that shop as its source.
"""

from __future__ import annotations

from typing import Any

from contracts.wire.envelope import CORRELATION_MAX, SHOP_SOURCE, Message
from contracts.wire.reading import BARE_SOURCE
from contracts.wire.refusal import NotYours, Unreadable
from infra.ports.messaging import SHOP_LOGIN

SENDER_UNKNOWN_DETAIL = (
    f"user_id: the message does not name its login; set the AMQP property user_id to the login, which is "
    f"{SHOP_LOGIN!r} and the shop's id."
)
SENDER_UNKNOWN_BYTES_MAX = 1024
"""What is kept of such a body: it cannot be replayed, and shows at most whose it may be."""


def owned(item: Message[Any] | Unreadable, shop: str, *, may_be_bare: bool) -> Message[Any] | Unreadable | NotYours:
    """The message, or its refusal where it names another shop or another source.

    The source of bare bodies is ours: an envelope with it would take the id of another shop's body. A correlation id
    gets the shop's name before it, since messages are found by it as they are by their order.
    """
    why = _foreign(item, shop, may_be_bare=may_be_bare)
    if why is None:
        return _correlated(item, f"{SHOP_SOURCE}{shop}/")
    return NotYours(item.id, item.sent_as if isinstance(item, Message) else item.type, shop, why)


def _correlated(item: Message[Any] | Unreadable, prefix: str) -> Message[Any] | Unreadable:
    if isinstance(item, Unreadable) or not item.correlationid or item.correlationid.startswith(prefix):
        return item
    return item.model_copy(update={"correlationid": f"{prefix}{item.correlationid}"[:CORRELATION_MAX]})


def _foreign(item: Message[Any] | Unreadable, shop: str, *, may_be_bare: bool) -> str | None:
    if isinstance(item, Unreadable):
        named, source = item.data.get("shop_id", shop), None
    else:
        named, source = getattr(item.data, "shop_id", None), item.source
    if named != shop:
        return f"shop_id: your login is that of {shop}; send for that shop, or use the other one's login."
    if source not in (None, f"{SHOP_SOURCE}{shop}") and not (may_be_bare and source == BARE_SOURCE):
        return f"source: your login is that of {shop}; write {SHOP_SOURCE}{shop}."
    return None
