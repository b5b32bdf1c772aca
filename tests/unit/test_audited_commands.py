"""What the audit log keeps of commands: everything but sealed values."""

from __future__ import annotations

from api.access.writing import content_of
from contracts.notifications.channel import Channel
from contracts.webhooks.v1 import RotateWebhookSecret
from tests.builders import SHOP, place
from tests.notices import a_route
from tests.webhook_builders import HOOK, NEXT_SECRET, PAID, define


def test_a_webhook_is_kept_without_its_address_and_secret() -> None:
    assert content_of(define()) == {
        "webhook_id": HOOK,
        "shop_id": SHOP,
        "types": [PAID],
        "host": "hooks.test",
        "by": "li.na",
    }
    rotated = RotateWebhookSecret(webhook_id=HOOK, shop_id=SHOP, secret=NEXT_SECRET, by="li.na")
    assert content_of(rotated) == {"webhook_id": HOOK, "shop_id": SHOP, "by": "li.na"}


def test_a_route_is_kept_without_its_sealed_address() -> None:
    channel = Channel(kind="slack", host="hooks.slack.com", sealed="sealed-1:bm90IGEgc2VjcmV0")
    route = a_route().model_copy(update={"channel": channel})

    assert content_of(route)["channel"] == {"kind": "slack", "to": [], "host": "hooks.slack.com"}


def test_other_commands_are_kept_whole() -> None:
    assert content_of(place()) == place().model_dump(mode="json", exclude_none=True)
