"""What a notification says, in both languages, and how each channel writes it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.fields import is_visible_name
from contracts.notifications.channel import Language
from contracts.notifications.v1 import Item, NotificationDue
from contracts.notifications.wording import text_of
from infra.adapters.outside import dingtalk, feishu, slack, webhook, wecom
from infra.adapters.outside.https import Post, Reply
from infra.adapters.outside.letter import is_mailable, letter
from infra.adapters.outside.robot import robot_text
from infra.adapters.outside.signed import BODY_BYTES_MAX
from infra.receivers.addresses import Address
from infra.settings import Settings
from tests.architecture.sources import ROOT
from tests.receivers.notifications import KEY, an_item, due, mail_to

AT = datetime(2026, 11, 30, 2, 30, tzinfo=UTC)
ROBOT = Address("https://hooks.test/robot/send?access_token=t")
SECRET = "whsec_" + "c2VjcmV0" * 4

CHANNEL_SETTINGS = ("TRIBUTARY_DELIVERY_", "TRIBUTARY_OUTSIDE_", "TRIBUTARY_SMTP_")

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
any_items = st.lists(
    st.builds(
        an_item,
        alert=any_text,
        kind=st.sampled_from(["stock_low", "stock_oversold", "own_kind"]),
        state=st.sampled_from(["open", "resolved"]),
        severity=st.sampled_from(["info", "warning", "critical"]),
        detail=any_text,
        facts=st.dictionaries(st.sampled_from(["product_id", "available", "low_at"]), any_text),
    ),
    min_size=1,
    max_size=20,
)
any_due = st.builds(
    due,
    st.just(mail_to("ann@example.com")),
    any_items,
    more=st.integers(0, 1000),
    language=st.sampled_from(["en", "zh"]),
    thread=any_text,
)


def lines_of(*items: Item, language: Language = "en", **changed: Any) -> tuple[str, ...]:
    return text_of(due(mail_to("ann@example.com"), items, language=language, **changed)).lines


def title_of(*items: Item, **changed: Any) -> str:
    return text_of(due(mail_to("ann@example.com"), items, **changed)).title


@pytest.mark.parametrize(
    ("item", "en", "zh"),
    [
        (
            an_item(),
            "Product 501: 3 left, the threshold is 5; order more. (since 2026-11-30 02:10 UTC)",
            "商品 501：剩余 3 件，阈值 5 件，请补货。（自 2026-11-30 02:10 UTC 起）",
        ),
        (
            an_item(state="resolved", facts={"product_id": "501", "available": "9"}),
            "Resolved: Product 501: 9 available again.",
            "已恢复：商品 501：可用库存已恢复到 9 件。",
        ),
        (
            an_item(facts={"product_id": "501"}, detail="As written."),
            "As written. (since 2026-11-30 02:10 UTC)",
            "As written.（自 2026-11-30 02:10 UTC 起）",
        ),
        (
            an_item(kind="own_kind", state="resolved", detail="All is\n\x1b[31mwell‮."),
            "Resolved: All is [31mwell .",
            "已恢复：All is [31mwell .",
        ),
    ],
)
def test_a_line_is_made_from_facts_or_is_the_detail(item: Item, en: str, zh: str) -> None:
    assert lines_of(item) == (en,)
    assert lines_of(item, language="zh") == (zh,)


def test_the_title_states_the_worst_severity_the_kinds_and_the_number() -> None:
    critical = an_item(kind="dead_letter", severity="critical")

    assert title_of(an_item()) == "Tributary: Warning: Stock is low"
    assert title_of(an_item(), critical, more=8) == (
        "Tributary: Critical: Stock is low · A message could not be handled × 10"
    )
    assert title_of(an_item(), reason="repeated") == "Tributary: Warning: Stock is low (reminder)"
    assert title_of(an_item(), language="zh", reason="escalated") == "Tributary：警告：库存不足 (升级)"


def test_a_test_without_alerts_names_its_route() -> None:
    test = NotificationDue.model_validate(
        {**due(mail_to("ann@example.com")).model_dump(), "items": [], "reason": "test"}
    )
    text = text_of(test)

    assert (text.title, text.lines) == ("Tributary: Info: test", ("This is a test of route warehouse.",))
    assert text.footer() == ("No. 6c1e8b21",)
    assert json.loads(webhook.body_of(test, AT))["timestamp"] == "2026-11-30T02:30:00+00:00"


@given(any_due)
def test_only_visible_characters_are_shown(notification: NotificationDue) -> None:
    text = text_of(notification)

    assert all(is_visible_name(shown) for shown in (text.title, *text.lines, *text.footer()))


@given(any_due, st.sampled_from([wecom.TEXT_BYTES_MAX, 4000, 8000]))
def test_a_robots_text_fits_and_counts_what_does_not(notification: NotificationDue, bytes_max: int) -> None:
    text = robot_text(notification, bytes_max)
    lines = text.split("\n")
    shown = len(lines) - 2 - (1 if "more" in lines[-2] or "另有" in lines[-2] else 0)
    missing = notification.more + len(notification.items) - shown

    assert len(text.encode()) <= bytes_max
    assert shown >= 1
    assert not set("@<>[]*`~#") & set(text)
    if missing:
        assert lines[-2] in (f"and {missing} more", f"另有 {missing} 条")


@given(any_due)
def test_a_webhooks_body_fits_and_counts_what_does_not(notification: NotificationDue) -> None:
    body = webhook.body_of(notification, AT)
    data = json.loads(body)["data"]

    assert len(body) <= BODY_BYTES_MAX
    assert len(data["items"]) == len(data["lines"])
    assert len(data["items"]) + data["more"] == len(notification.items) + notification.more


def test_a_body_that_is_too_large_loses_its_last_alerts() -> None:
    items = [an_item(detail=f"{number}" * 900) for number in range(10, 20)]
    data = json.loads(webhook.body_of(due(mail_to("ann@example.com"), items), AT))["data"]

    assert 5 < len(data["items"]) <= 10
    assert data["items"][0]["detail"].startswith("10")


@given(any_due, any_text)
def test_headers_of_an_email_cannot_be_injected(notification: NotificationDue, key: str) -> None:
    headers = letter(notification, key, "alerts@shop.example", ["ann@example.com"], AT).as_bytes()
    names = {line.partition(b":")[0] for line in headers.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1].strip()}

    assert names == {
        b"Subject",
        b"From",
        b"To",
        b"Date",
        b"Message-ID",
        b"References",
        b"In-Reply-To",
        b"Auto-Submitted",
        b"MIME-Version",
        b"Content-Type",
    }


@pytest.mark.parametrize(
    ("reader", "mailable"),
    [("ann@example.com", True), ("a.b+c@example.com", True), ("bär@example.com", False), ("a..b@example.com", False)],
)
def test_some_readers_cannot_be_in_a_header(reader: str, mailable: bool) -> None:
    assert is_mailable(reader) is mailable


def body_of(post: Post) -> Any:
    return json.loads(post.body)


def test_the_signatures_of_dingtalk_and_feishu() -> None:
    """Computed with openssl from the formulas in their documents."""
    signed = Address(ROBOT.url, "SEC-secret")
    notification = due(mail_to("ann@example.com"))

    assert dingtalk.compose(notification, signed, KEY, AT).url == (
        "https://hooks.test/robot/send?access_token=t&timestamp=1796005800000"
        "&sign=j6E28P1Al%2BpqBpRBMjhGRAIqa2ADKaFiAxEt%2F1J%2FBJQ%3D"
    )
    feishu_body = body_of(feishu.compose(notification, signed, KEY, AT))
    assert (feishu_body["timestamp"], feishu_body["sign"]) == (
        "1796005800",
        "q8NTosf62rzOL0+2lol0Ms1bLotYz2/guXjQqDSLWSM=",
    )
    assert dingtalk.compose(notification, ROBOT, KEY, AT).url == ROBOT.url
    assert "sign" not in body_of(feishu.compose(notification, ROBOT, KEY, AT))


def reply(body: bytes | None, status: int = 200) -> Reply:
    return Reply("hooks.test", status, AT, 5, body)


@pytest.mark.parametrize("channel", [wecom, dingtalk, feishu])
@pytest.mark.parametrize(
    "body", [None, b"", b"ok", b"[]", b'{"errmsg":"ok"}', b'{"errcode":"0","code":true}', b"[" * 9999]
)
def test_a_robots_answer_without_a_code_is_unknown(channel: Any, body: bytes | None) -> None:
    assert channel.judge(reply(body)).outcome == "unknown"


@pytest.mark.parametrize(
    ("channel", "body", "outcome", "code", "retry_after_s"),
    [
        (wecom, b'{"errcode":0}', "done", "delivered", 5),
        (wecom, b'{"errcode":-1}', "unavailable", "receiver_unavailable", 5),
        (wecom, b'{"errcode":40058}', "refused", "rejected", 5),
        (wecom, b'{"errcode":12345,"errmsg":"canary"}', "unavailable", "rejected", 5),
        (dingtalk, b'{"errcode":130101}', "unavailable", "rate_limited", 600),
        (dingtalk, b'{"errcode":310000,"errmsg":"invalid timestamp"}', "refused", "wrong_sign", 5),
        (dingtalk, b'{"errcode":310000,"errmsg":"ip 1.2.3.4 not in whitelist"}', "refused", "ip_not_allowed", 5),
        (dingtalk, b'{"errcode":310000,"errmsg":"canary"}', "refused", "security_setting", 5),
        (feishu, b'{"code":9499}', "unavailable", "rate_limited", 60),
        (feishu, b'{"code":19022}', "refused", "ip_not_allowed", 5),
        (slack, b"ok", "done", "delivered", 5),
        (slack, b"<html>canary</html>", "unknown", "no_answer", 5),
    ],
)
def test_the_code_in_the_body_decides(channel: Any, body: bytes, outcome: str, code: str, retry_after_s: int) -> None:
    answer = channel.judge(reply(body))

    assert (answer.outcome, answer.code, answer.retry_after_s) == (outcome, code, retry_after_s)
    assert "canary" not in repr(answer)


@pytest.mark.parametrize("channel", [wecom, dingtalk, feishu, slack])
def test_a_status_that_is_not_2xx_decides_before_the_body(channel: Any) -> None:
    assert channel.judge(reply(b'{"errcode":0,"code":0}', 502)).outcome == "unavailable"


@pytest.mark.parametrize(
    ("word", "status", "code"),
    [("channel_is_archived", 410, "gone"), ("channel_not_found", 404, "gone"), ("action_prohibited", 403, "rejected")],
)
def test_slacks_words_state_what_to_change(word: str, status: int, code: str) -> None:
    answer = slack.judge(reply(word.encode(), status))

    assert (answer.outcome, answer.code) == ("refused", code)
    assert word in answer.detail


def test_the_document_shows_a_real_body_and_names_every_setting() -> None:
    document = (ROOT / "docs" / "notifications.md").read_text("utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", document, re.DOTALL)
    settings = {f"TRIBUTARY_{name.upper()}" for name in Settings.model_fields}
    of_channels = {name for name in settings if name.startswith(CHANNEL_SETTINGS)}

    assert json.loads(example) == json.loads(webhook.body_of(due(mail_to("ann@example.com")), AT))
    assert set(re.findall(r"TRIBUTARY_[A-Z_]+", document)) == of_channels
