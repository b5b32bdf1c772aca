"""E-mails reach a real mail server over STARTTLS with a login; refused readers, and every way it can end early."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any, cast

import pytest

from contracts.notifications.v1 import NotificationDue
from contracts.wire.answer import Answer
from infra.adapters.outside.channels import channels
from infra.ports.outside import Outside
from tests.receivers.mail import USER, After, MailServer, mail_server
from tests.receivers.notifications import KEY, SOON_S, an_item, due, logged, mail_to, settings
from tests.receivers.serving import Certificates, make_certificates

PASSWORD = "p-canary"
ANN, BEN, EVE = "ann@example.com", "ben@example.com", "eve@example.com"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def server(certificates: Certificates) -> AsyncIterator[MailServer]:
    async with mail_server(MailServer(PASSWORD), certificates.server) as served:
        yield served


def outside_of(server: MailServer, certificates: Certificates, **changed: Any) -> Outside[NotificationDue]:
    chosen: dict[str, Any] = {
        "smtp_host": "localhost",
        "smtp_port": server.port,
        "smtp_sender": "alerts@shop.example",
        "smtp_user": USER,
        "smtp_password": PASSWORD,
        "outside_ca_file": str(certificates.ca_file),
    }
    return channels(settings(**{**chosen, **changed}))


@pytest.fixture
def outside(server: MailServer, certificates: Certificates) -> Outside[NotificationDue]:
    return outside_of(server, certificates)


def of(answer: Answer) -> tuple[str, str]:
    return answer.outcome, answer.code


def content(message: EmailMessage, kind: str) -> str:
    return cast(EmailMessage, message.get_body((kind,))).get_content()


async def test_an_email_is_delivered(outside: Outside[NotificationDue], server: MailServer) -> None:
    answer = await outside.send(due(mail_to(ANN, BEN)), KEY)
    again = await outside.send(due(mail_to(ANN, BEN), attempt=2), KEY)
    other = await outside.send(due(mail_to(ANN, BEN), reason="repeated"), "another key")

    assert [of(each) for each in (answer, again, other)] == [("done", "delivered")] * 3
    assert answer.reference == "2.0.0 Ok: queued as 4F1C2"
    first, second, third = server.mails
    assert first.readers == (ANN, BEN)
    assert first.is_encrypted
    assert first.is_authenticated
    headers = first.message
    assert headers["Subject"] == "Tributary: Warning: Stock is low"
    assert headers["From"] == "Tributary <alerts@shop.example>"
    assert headers["To"] == f"{ANN}, {BEN}"
    assert headers["Auto-Submitted"] == "auto-generated"
    assert headers["Message-ID"].endswith("@shop.example>")
    assert headers["Message-ID"] == second.message["Message-ID"] != third.message["Message-ID"]
    assert headers["References"] == third.message["References"] == headers["In-Reply-To"]
    assert "Product 501: 3 left, the threshold is 5; order more." in content(headers, "plain")
    assert "<li>Product 501: 3 left, the threshold is 5; order more." in content(headers, "html")


async def test_an_email_in_chinese_without_markup(outside: Outside[NotificationDue], server: MailServer) -> None:
    hostile = an_item(kind="own_kind", detail="<img src=x onerror=alert(1)>\r\nBcc: eve@example.com\r\n\r\n‮.")
    notification = due(mail_to(ANN), [hostile, an_item()], language="zh", thread="a\r\nBcc: eve@example.com")

    assert of(await outside.send(notification, "key\r\nBcc: eve@example.com")) == ("done", "delivered")
    mail = server.mails[0]
    assert (mail.readers, mail.message["Bcc"]) == ((ANN,), None)
    assert mail.message["Subject"] == "Tributary：警告：own kind · 库存不足 × 2"
    assert "商品 501：剩余 3 件，阈值 5 件，请补货。" in content(mail.message, "plain")
    html = content(mail.message, "html")
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt; Bcc: eve@example.com ." in html


async def test_a_reader_who_is_refused_for_ever_does_not_stop_the_others(
    outside: Outside[NotificationDue], server: MailServer
) -> None:
    server.refuses = {EVE}

    answer = await outside.send(due(mail_to(ANN, EVE, "bär@example.com")), KEY)

    assert of(answer) == ("done", "delivered_in_part")
    assert f"{EVE} (550 5.1.1)" in answer.detail
    assert "bär@example.com (not in ASCII)" in answer.detail
    assert [mail.readers for mail in server.mails] == [(ANN,)]


async def test_a_postponed_reader_gets_it_later_and_the_others_once(
    outside: Outside[NotificationDue], server: MailServer, certificates: Certificates
) -> None:
    server.postpones, server.refuses = {BEN}, {EVE}
    notification = due(mail_to(ANN, BEN, EVE))

    first = await outside.send(notification, KEY)
    second = await outside.send(notification, KEY)
    server.postpones = set()
    third = await outside.send(notification, KEY)
    elsewhere = await outside_of(server, certificates).send(notification, KEY)

    assert [of(each) for each in (first, second)] == [("unavailable", "readers_postponed")] * 2
    assert f"{BEN} (450 4.2.0)" in first.detail
    assert of(third) == ("done", "delivered_in_part")
    assert of(elsewhere) == ("done", "delivered_in_part")
    assert [mail.readers for mail in server.mails] == [(ANN,), (BEN,), (ANN, BEN)]
    assert len({mail.message["Message-ID"] for mail in server.mails}) == 1


async def test_without_any_accepted_reader(outside: Outside[NotificationDue], server: MailServer) -> None:
    server.refuses, server.postpones = {EVE}, {BEN}

    assert of(await outside.send(due(mail_to(EVE)), "1")) == ("refused", "readers_refused")
    assert of(await outside.send(due(mail_to(EVE, BEN)), "2")) == ("unavailable", "readers_postponed")
    assert of(await outside.send(due(mail_to("bär@example.com")), "3")) == ("refused", "readers_refused")
    assert server.mails == []


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("cut", ("unknown", "no_answer")),
        ("hang", ("unknown", "no_answer")),
        ("refuse", ("refused", "message_refused")),
        ("postpone", ("unavailable", "receiver_unavailable")),
    ],
)
async def test_after_data(
    server: MailServer, certificates: Certificates, after: After, expected: tuple[str, str]
) -> None:
    server.after = after
    began = datetime.now(UTC)

    answer = await outside_of(server, certificates, outside_deadline_s=2 * SOON_S).send(due(mail_to(ANN)), KEY)

    assert of(answer) == expected
    assert datetime.now(UTC) - began < timedelta(seconds=4 * SOON_S)


async def test_a_wrong_password_is_refused(server: MailServer, certificates: Certificates) -> None:
    answer = await outside_of(server, certificates, smtp_password="p-canary-too").send(due(mail_to(ANN)), KEY)

    assert of(answer) == ("refused", "mail_login_refused")
    assert "TRIBUTARY_SMTP_PASSWORD" in answer.detail


async def test_without_starttls_nothing_is_sent(certificates: Certificates) -> None:
    async with mail_server(MailServer(PASSWORD), None) as server:
        answer = await outside_of(server, certificates).send(due(mail_to(ANN)), KEY)
        plain = outside_of(server, certificates, smtp_tls="none", smtp_user=None, smtp_password=None)
        plain_answer = await plain.send(due(mail_to(ANN)), KEY)

    assert of(answer) == ("refused", "mail_server_unfit")
    assert of(plain_answer) == ("done", "delivered")
    assert [mail.is_encrypted for mail in server.mails] == [False]


async def test_another_certificate_gets_no_password(certificates: Certificates) -> None:
    async with mail_server(MailServer(PASSWORD), certificates.other) as server:
        answer = await outside_of(server, certificates).send(due(mail_to(ANN)), KEY)

    assert of(answer) == ("unavailable", "tls_failed")
    assert server.mails == []


async def test_a_server_that_is_away_is_unavailable(server: MailServer, certificates: Certificates) -> None:
    async with mail_server(replace(server), certificates.server) as other:
        pass

    assert of(await outside_of(other, certificates).send(due(mail_to(ANN)), KEY)) == ("unavailable", "not_connected")


async def test_without_a_mail_server_it_states_the_settings() -> None:
    answer = await channels(settings()).send(due(mail_to(ANN)), KEY)

    assert of(answer) == ("refused", "not_configured")
    assert "TRIBUTARY_SMTP_HOST" in answer.detail


def test_the_destination_is_the_mail_server(outside: Outside[NotificationDue]) -> None:
    assert outside.destination(due(mail_to(ANN))) == "email localhost"


async def test_the_password_is_in_no_log_answer_or_repr(
    outside: Outside[NotificationDue],
    server: MailServer,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with caplog.at_level(logging.DEBUG):
        seen = [await outside.send(due(mail_to(ANN)), KEY)]
        seen.append(await outside_of(server, certificates, smtp_password="p-canary2").send(due(mail_to(ANN)), KEY))
        server.after = "cut"
        seen.append(await outside.send(due(mail_to(ANN)), KEY))

    written = "\n".join([*map(repr, seen), repr(outside), logged(caplog), *capfd.readouterr()])

    assert [answer.outcome for answer in seen] == ["done", "refused", "unknown"]
    assert PASSWORD not in written
