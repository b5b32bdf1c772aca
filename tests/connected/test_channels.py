"""Signed webhooks reach a real receiver over TLS, and whatever it does instead of answering has its outcome."""

from __future__ import annotations

import asyncio
import json
import logging
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from contracts.notifications.channel import Channel, Kind
from contracts.notifications.v1 import NotificationDue
from infra.adapters.outside.channels import HTTP_CHANNELS, UnreadableCertificates, channels
from infra.ports.outside import Outside
from tests.receivers import scripts
from tests.receivers.notifications import KEY, SOON_S, an_item, due, logged, sealed, settings
from tests.receivers.serving import HOST, Certificates, Script, make_certificates, misbehaving, resolve_here, serving
from tests.receivers.webhooks import WebhookReceiver

SECRET = "whsec_" + b64encode(b"the first secret of a receiver").decode()
NEXT_SECRET = "whsec_" + b64encode(b"the next secret of a receiver!").decode()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def outside_with(certificates: Certificates, **changed: Any) -> Outside[NotificationDue]:
    chosen = settings(outside_allowed=["127.0.0.0/8"], outside_ca_file=str(certificates.ca_file), **changed)
    return channels(chosen, resolve=resolve_here)


@pytest.fixture
def outside(certificates: Certificates) -> Outside[NotificationDue]:
    return outside_with(certificates)


@pytest.fixture
def hasty(certificates: Certificates) -> Outside[NotificationDue]:
    """With a short deadline."""
    return outside_with(certificates, outside_deadline_s=SOON_S)


def webhook(port: int, path: str = "/alerts?key=k-canary", scheme: str = "https", secret: str = SECRET) -> Channel:
    return sealed("webhook", f"{scheme}://{HOST}:{port}{path}", secret)


async def test_every_kind_of_route_has_a_channel() -> None:
    assert {*HTTP_CHANNELS, "email"} == {*get_args(Kind)}


async def test_a_kind_of_a_newer_release_is_refused(outside: Outside[NotificationDue]) -> None:
    channel = Channel(kind="telegraph", host=HOST, sealed=webhook(443).sealed)
    answer = await outside.send(due(channel), KEY)
    assert (answer.outcome, answer.code) == ("refused", "channel_unknown")
    assert answer.detail == "This release has no channel telegraph: update it, or define the route again."


async def test_a_webhook_is_delivered(outside: Outside[NotificationDue], certificates: Certificates) -> None:
    receiver = WebhookReceiver(SECRET)
    async with serving(receiver.app(), certificates.server) as port:
        notification = due(webhook(port), [an_item(), an_item(alert="stock/502")], more=3)
        answer = await outside.send(notification, KEY)
        repeated = await outside.send(notification, KEY)

    assert (answer.outcome, answer.code, answer.detail) == ("done", "delivered", f"{HOST} answered 204.")
    assert repeated.outcome == "done"
    assert receiver.ids == [KEY, KEY]
    assert receiver.hosts == [f"{HOST}:{port}"] * 2
    assert receiver.encodings == ["identity"] * 2
    message = receiver.messages[0]
    assert message == receiver.messages[1]
    assert (message["type"], message["timestamp"]) == ("notification", "2026-11-30T02:10:00+00:00")
    assert [item["alert"] for item in message["data"]["items"]] == ["stock/501", "stock/502"]
    assert message["data"]["more"] == 3
    assert "channel" not in message["data"]


@pytest.mark.parametrize("known", [SECRET, NEXT_SECRET])
async def test_a_rotation_signs_with_both_secrets(
    outside: Outside[NotificationDue], certificates: Certificates, known: str
) -> None:
    receiver = WebhookReceiver(known)
    async with serving(receiver.app(), certificates.server) as port:
        answer = await outside.send(due(webhook(port, secret=f"{NEXT_SECRET} {SECRET}")), KEY)

    assert answer.outcome == "done"
    assert receiver.unverified == 0


async def test_another_secret_is_refused(outside: Outside[NotificationDue], certificates: Certificates) -> None:
    receiver = WebhookReceiver(NEXT_SECRET)
    async with serving(receiver.app(), certificates.server) as port:
        answer = await outside.send(due(webhook(port)), KEY)

    assert (answer.outcome, answer.code, receiver.unverified, receiver.ids) == ("refused", "rejected", 1, [])
    assert "check address and secret" in answer.detail


IN_TWO_DAYS = format_datetime(datetime.now(UTC) + timedelta(days=2), usegmt=True)


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "code", "retry_after_s"),
    [
        (200, {}, "done", "delivered", None),
        (302, {"location": "https://127.0.0.1/"}, "refused", "redirected", None),
        (307, {"location": "/again"}, "refused", "redirected", None),
        (400, {}, "refused", "rejected", None),
        (403, {}, "refused", "rejected", None),
        (408, {}, "unavailable", "receiver_unavailable", None),
        (410, {}, "refused", "gone", None),
        (425, {}, "unavailable", "receiver_unavailable", None),
        (429, {"retry-after": "17"}, "unavailable", "rate_limited", 17),
        (429, {"retry-after": "99999999999999"}, "unavailable", "rate_limited", 3600),
        (429, {"retry-after": IN_TWO_DAYS}, "unavailable", "rate_limited", 3600),
        (429, {"retry-after": "Mon, 30 Nov 2020 02:00:00 GMT"}, "unavailable", "rate_limited", 0),
        (429, {"retry-after": "soon"}, "unavailable", "rate_limited", None),
        (429, {"retry-after": f"Mon, 30 Nov {'9' * 20} 02:00:00 GMT"}, "unavailable", "rate_limited", None),
        (503, {"retry-after": "120"}, "unavailable", "receiver_unavailable", 120),
    ],
)
async def test_the_status_decides(
    outside: Outside[NotificationDue],
    certificates: Certificates,
    status: int,
    headers: dict[str, str],
    outcome: str,
    code: str,
    retry_after_s: int | None,
) -> None:
    receiver = WebhookReceiver(SECRET, status, headers)
    async with serving(receiver.app(), certificates.server) as port:
        answer = await outside.send(due(webhook(port)), KEY)

    assert (answer.outcome, answer.code, answer.retry_after_s) == (outcome, code, retry_after_s)
    assert len(receiver.ids) == 1, "one request, and none after a redirect"


async def test_a_slow_receiver_may_have_it(hasty: Outside[NotificationDue], certificates: Certificates) -> None:
    receiver = WebhookReceiver(SECRET, pause_s=2 * SOON_S)
    async with serving(receiver.app(), certificates.server) as port:
        answer = await hasty.send(due(webhook(port)), KEY)

    assert (answer.outcome, answer.code, receiver.ids) == ("unknown", "no_answer", [KEY])


@pytest.mark.parametrize(
    "script",
    [
        scripts.hang,
        scripts.cut,
        scripts.cut_in_headers,
        scripts.answer_garbage,
        scripts.drip_headers,
        scripts.send_huge_headers,
        scripts.send_endless_1xx,
    ],
)
async def test_without_a_readable_answer_it_is_unknown(hasty: Outside[NotificationDue], script: Script) -> None:
    async with misbehaving(script) as server:
        began = datetime.now(UTC)
        answer = await hasty.send(due(webhook(server.port, scheme="http")), KEY)

    assert (answer.outcome, answer.code, server.requests) == ("unknown", "no_answer", 1)
    assert datetime.now(UTC) - began < timedelta(seconds=3 * SOON_S)


@pytest.mark.parametrize(
    "script", [scripts.drip_body, scripts.send_10_gb, scripts.cut_in_body, scripts.send_tiny_chunks]
)
async def test_a_status_without_its_body_delivers_a_webhook_but_no_chat_message(
    hasty: Outside[NotificationDue], script: Script
) -> None:
    async with misbehaving(script) as server:
        webhook_answer = await hasty.send(due(webhook(server.port, scheme="http")), KEY)
        robot = sealed("wecom", f"http://{HOST}:{server.port}/")
        robot_answer = await hasty.send(due(robot), KEY)

    assert (webhook_answer.outcome, robot_answer.outcome, server.requests) == ("done", "unknown", 2)


@pytest.mark.parametrize(
    ("script", "outcome"),
    [(scripts.send_endless_1xx, "unknown"), (scripts.send_tiny_chunks, "done"), (scripts.send_10_gb, "done")],
)
async def test_an_answer_without_end_is_given_up_long_before_the_deadline(
    certificates: Certificates, script: Script, outcome: str
) -> None:
    patient = outside_with(certificates, outside_deadline_s=60.0)
    async with misbehaving(script) as server, asyncio.timeout(30):
        answer = await patient.send(due(webhook(server.port, scheme="http")), KEY)

    assert answer.outcome == outcome


async def test_a_certificate_for_another_name_gets_no_request(
    outside: Outside[NotificationDue], certificates: Certificates
) -> None:
    receiver = WebhookReceiver(SECRET)
    async with serving(receiver.app(), certificates.other) as port:
        answer = await outside.send(due(webhook(port)), KEY)

    assert (answer.outcome, answer.code, receiver.ids) == ("unavailable", "tls_failed", [])


async def test_a_closed_port_and_a_hanging_handshake_are_unavailable(hasty: Outside[NotificationDue]) -> None:
    async with misbehaving(scripts.hang) as server:
        hanging = await hasty.send(due(webhook(server.port)), KEY)
    closed = await hasty.send(due(webhook(server.port)), KEY)

    assert [(answer.outcome, answer.code) for answer in (hanging, closed)] == [("unavailable", "not_connected")] * 2
    assert server.requests == 0


async def test_the_next_address_is_tried_before_the_first_byte(certificates: Certificates) -> None:
    async def resolve_two(host: str, port: int) -> list[str]:
        return ["127.0.0.9", "127.0.0.1"]

    receiver = WebhookReceiver(SECRET)
    chosen = settings(outside_allowed=["127.0.0.0/8"], outside_ca_file=str(certificates.ca_file))
    async with serving(receiver.app(), certificates.server) as port:
        answer = await channels(chosen, resolve=resolve_two).send(due(webhook(port)), KEY)

    assert (answer.outcome, receiver.ids) == ("done", [KEY])


async def test_a_private_address_is_refused_when_it_is_sent(certificates: Certificates) -> None:
    receiver = WebhookReceiver(SECRET)
    chosen = settings(outside_ca_file=str(certificates.ca_file))
    async with serving(receiver.app(), certificates.server) as port:
        answer = await channels(chosen, resolve=resolve_here).send(due(webhook(port)), KEY)

    assert (answer.outcome, answer.code, receiver.ids) == ("refused", "address_not_public", [])


async def test_the_host_is_resolved_once(certificates: Certificates) -> None:
    """A name server that answers a second look-up with another address gains nothing."""
    looked_up: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["169.254.169.254"]

    receiver = WebhookReceiver(SECRET)
    chosen = settings(outside_allowed=["127.0.0.1/32"], outside_ca_file=str(certificates.ca_file))
    async with serving(receiver.app(), certificates.server) as port:
        answer = await channels(chosen, resolve=rebinding).send(due(webhook(port)), KEY)

    assert (answer.outcome, looked_up) == ("done", [HOST])


async def test_an_unknown_host_is_unavailable() -> None:
    async def resolve_nothing(host: str, port: int) -> list[str]:
        raise OSError("Name or service not known")

    answer = await channels(settings(), resolve=resolve_nothing).send(due(webhook(443)), KEY)

    assert (answer.outcome, answer.code) == ("unavailable", "host_unknown")


async def test_proxies_of_the_environment_are_not_used(
    outside: Outside[NotificationDue], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    receiver = WebhookReceiver(SECRET)
    async with serving(receiver.app(), certificates.server) as port:
        answer = await outside.send(due(webhook(port)), KEY)

    assert answer.outcome == "done"


@pytest.mark.parametrize(
    ("secret", "route"),
    [("another delivery secret with 32 characters", "warehouse"), (None, "warehouse"), (..., "another-route")],
)
async def test_an_address_opens_with_its_secret_for_its_route(secret: Any, route: str) -> None:
    chosen = settings() if secret is ... else settings(delivery_secret=secret)
    channel = sealed("webhook", "https://hooks.test/", SECRET, route=route)

    answer = await channels(chosen, resolve=resolve_here).send(due(channel), KEY)

    assert (answer.outcome, answer.code) == ("refused", "cannot_unseal")
    assert "TRIBUTARY_DELIVERY_SECRET" in answer.detail


async def test_a_secret_that_cannot_sign_is_refused(outside: Outside[NotificationDue]) -> None:
    answer = await outside.send(due(webhook(443, secret="too short")), KEY)

    assert (answer.outcome, answer.code) == ("refused", "secret_invalid")
    assert "too short" not in answer.detail


async def test_a_robots_address_that_is_none_is_refused(outside: Outside[NotificationDue]) -> None:
    answer = await outside.send(due(sealed("dingtalk", "ftp://k-canary/", "SECs")), KEY)

    assert (answer.outcome, answer.code) == ("refused", "address_invalid")
    assert "k-canary" not in answer.detail


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(UnreadableCertificates, match=rf"TRIBUTARY_OUTSIDE_CA_FILE: .*{name}"):
            channels(settings(outside_ca_file=str(tmp_path / name)))


def test_destinations_are_kinds_and_hosts(outside: Outside[NotificationDue]) -> None:
    assert outside.destination(due(webhook(443))) == f"webhook {HOST}"


async def test_no_channel_can_be_asked(outside: Outside[NotificationDue]) -> None:
    assert await outside.look_up(due(webhook(443)), KEY) is None


CANARIES = ("k-canary", SECRET, SECRET.removeprefix("whsec_"), "a delivery secret of more than")


async def test_secrets_are_in_no_log_answer_or_repr(
    outside: Outside[NotificationDue],
    hasty: Outside[NotificationDue],
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver = WebhookReceiver(SECRET)
    async with serving(receiver.app(), certificates.server) as port:
        paths = ("/alerts?key=k-canary", "/k-canary/alerts")
        seen = [await outside.send(due(webhook(port, path)), KEY) for path in paths]
    async with misbehaving(scripts.answer_garbage) as server:
        seen.append(await outside.send(due(webhook(server.port, scheme="http")), KEY))
        seen.append(await hasty.send(due(webhook(server.port)), KEY))
    seen.append(await outside.send(due(webhook(server.port)), KEY))
    seen.append(await outside.send(due(sealed("webhook", "https://k-canary@hooks.test/", SECRET)), KEY))
    seen.append(await outside.send(due(sealed("webhook", "ftp://k-canary", SECRET)), KEY))

    written = "\n".join([*map(repr, seen), repr(due(webhook(1))), repr(outside), logged(caplog), *capfd.readouterr()])

    assert [answer.outcome for answer in seen] == ["done"] * 2 + ["unknown"] + ["unavailable"] * 2 + ["refused"] * 2
    assert [canary for canary in CANARIES if canary in written] == []


def test_a_sealed_address_shows_nothing_of_it() -> None:
    channel = webhook(443)
    stored = json.dumps(due(channel).model_dump(mode="json"))

    assert [canary for canary in CANARIES if canary in stored] == []
