"""A shop's login at the broker, and the queue that it reads: nothing else is within its reach.

Permissions are regular expressions over names, which the broker matches anywhere unless they are anchored.
"""

from __future__ import annotations

import re

from contracts.wire.envelope import SHOP_EVENTS_EXCHANGE, SHOPS_EXCHANGE
from infra.ports.messaging import SHOP_LOGIN
from infra.ports.topology import Binding, Login, Queue

NOTHING = "^$"

SHOP_QUEUE_LENGTH_MAX = 100_000
"""What a shop does not read for long is dropped, the oldest first; the HTTP API has all of it."""

SHOP_QUEUE_BYTES_MAX = 256 * 1024 * 1024
"""The same for large events: 100,000 of the usual size are about 100 MB."""

_SHOP_LIMITS = {"max-connections": 10, "max-channels": 50}


def only(*names: str) -> str:
    """Matches exactly these names, each of them an expression."""
    return f"^({'|'.join(names)})$"


def shop_login(shop_id: str) -> Login:
    """It writes commands of shops, reads its own queue, and can make nothing."""
    queue = shop_queue(shop_id)
    reason = f"shop {shop_id}: sends its commands, reads its answers and events"
    login = f"{SHOP_LOGIN}{shop_id}"
    return Login(login, NOTHING, only(re.escape(SHOPS_EXCHANGE)), only(re.escape(queue.name)), reason, _SHOP_LIMITS)


def shop_queue(shop_id: str) -> Queue:
    arguments = {
        "x-queue-type": "quorum",
        "x-max-length": SHOP_QUEUE_LENGTH_MAX,
        "x-max-length-bytes": SHOP_QUEUE_BYTES_MAX,
        "x-overflow": "drop-head",
    }
    return Queue(f"{SHOP_LOGIN}{shop_id}.events", arguments, f"answers and events for shop {shop_id}")


def shop_binding(shop_id: str) -> Binding:
    return Binding(shop_queue(shop_id).name, SHOP_EVENTS_EXCHANGE, shop_id)
