"""Events reach a shop's receiver over TLS, signed with each valid secret; its answers have their outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.webhooks.v1 import WebhookDue
from contracts.webhooks.view import WEBHOOKS, WebhookState
from infra.adapters.outside.shop_webhook import shop_webhooks
from infra.ports.outside import Outside
from infra.ports.store import Document, Reader, StoreUnavailable
from infra.receivers.shop_webhooks import new_secret, seal_secret, seal_url
from tests.builders import SHOP
from tests.receivers.notifications import DELIVERY_SECRET, settings
from tests.receivers.serving import HOST, Certificates, make_certificates, resolve_here, serving
from tests.receivers.webhooks import WebhookReceiver
from tests.webhook_builders import EVENT, HOOK
from tests.workflow.in_memory import InMemoryStore
from workers.shop_webhooks.repository import WebhookRepository

OLD, NEW = new_secret(), new_secret()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder: Path = tmp_path_factory.mktemp("certificates")
    return make_certificates(folder)


def outside_with(certificates: Certificates, state: WebhookState = "enabled", **changed: Any) -> Outside[WebhookDue]:
    allowed = {"shops_outside_allowed": ["127.0.0.0/8"], "outside_ca_file": str(certificates.ca_file), **changed}
    return shop_webhooks(settings(**allowed), webhooks(state), resolve=resolve_here)


def webhooks(state: WebhookState) -> Reader:
    """A store with the webhook."""
    store = InMemoryStore(WebhookRepository.collections)
    store.table(WEBHOOKS).put({"_id": HOOK, "state": state})
    return store


def due(port: int, *secrets: str) -> WebhookDue:
    return WebhookDue(
        webhook_id=HOOK,
        shop_id=SHOP,
        delivery_id="delivery-1",
        attempt=1,
        host=HOST,
        address=seal_url(f"https://{HOST}:{port}/orders?key=canary", HOOK, DELIVERY_SECRET),
        secrets=tuple(seal_secret(secret, HOOK, DELIVERY_SECRET) for secret in secrets),
        event=EVENT,
    )


async def test_both_secrets_of_a_rotation_verify(certificates: Certificates) -> None:
    for secret in (OLD, NEW):
        receiver = WebhookReceiver(secret)
        async with serving(receiver.app(), certificates.server) as port:
            answer = await outside_with(certificates).send(due(port, NEW, OLD), "delivery-1")

        assert (answer.outcome, receiver.ids, receiver.messages) == (
            "done",
            ["delivery-1"],
            [{"type": "order.paid.v1"}],
        )


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "code", "retry_after_s"),
    [
        (410, {}, "refused", "gone", None),
        (429, {"retry-after": "90"}, "unavailable", "rate_limited", 90),
        (503, {}, "unavailable", "receiver_unavailable", None),
    ],
)
async def test_a_status_has_its_outcome(
    certificates: Certificates,
    status: int,
    headers: dict[str, str],
    outcome: str,
    code: str,
    retry_after_s: int | None,
) -> None:
    receiver = WebhookReceiver(OLD, status=status, headers=headers)
    async with serving(receiver.app(), certificates.server) as port:
        answer = await outside_with(certificates).send(due(port, OLD), "delivery-1")

    assert (answer.outcome, answer.code, answer.retry_after_s) == (outcome, code, retry_after_s)
    assert "canary" not in answer.detail


async def test_without_the_sealing_secret_nothing_is_sent(certificates: Certificates) -> None:
    answer = await outside_with(certificates, delivery_secret=None).send(due(1, OLD), "delivery-1")

    assert (answer.outcome, answer.code) == ("refused", "cannot_unseal")


async def test_an_address_inside_is_refused_though_it_is_allowed_for_routes(certificates: Certificates) -> None:
    outside = outside_with(certificates, shops_outside_allowed=[], outside_allowed=["127.0.0.0/8"])

    answer = await outside.send(due(1, OLD), "delivery-1")

    assert (answer.outcome, answer.code) == ("refused", "address_not_public")


@pytest.mark.parametrize("state", ["disabled", "removed"])
async def test_a_webhook_that_is_not_enabled_any_more_is_not_called(
    certificates: Certificates, state: WebhookState
) -> None:
    receiver = WebhookReceiver(OLD)
    async with serving(receiver.app(), certificates.server) as port:
        answer = await outside_with(certificates, state).send(due(port, OLD), "delivery-1")

    assert (answer.outcome, answer.code, receiver.ids) == ("unavailable", "withheld", [])


async def test_without_the_database_nothing_is_sent(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> list[Document]:
        raise StoreUnavailable("away")

    monkeypatch.setattr(InMemoryStore, "find", away)
    answer = await outside_with(certificates).send(due(1, OLD), "delivery-1")

    assert (answer.outcome, answer.code) == ("unavailable", "withheld")


async def test_a_slow_receiver_has_a_few_seconds(certificates: Certificates) -> None:
    receiver = WebhookReceiver(OLD, pause_s=5)
    async with serving(receiver.app(), certificates.server) as port:
        answer = await outside_with(certificates, shops_deadline_s=0.5).send(due(port, OLD), "delivery-1")

    assert (answer.outcome, answer.code) == ("unknown", "no_answer")


async def test_each_webhook_is_a_destination_and_cannot_be_asked(certificates: Certificates) -> None:
    outside, request = outside_with(certificates), due(1, OLD)

    assert outside.destination(request) == f"webhook {HOOK} {HOST}"
    assert await outside.look_up(request, "delivery-1") is None
