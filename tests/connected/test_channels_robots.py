"""Messages reach real robots that check signatures, limits and keywords, and answer 200 whatever happens."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from contracts.notifications.channel import Channel, Kind
from contracts.notifications.v1 import NotificationDue
from infra.adapters.outside.channels import channels
from infra.ports.outside import Outside
from tests.receivers.notifications import KEY, an_item, due, logged, sealed, settings
from tests.receivers.robots import MESSAGES_MAX, WECOM_TEXT_BYTES_MAX, Robots
from tests.receivers.serving import HOST, Certificates, make_certificates, resolve_here, serving

TOKEN, SECRET = "t-canary", "SECs-canary+/="
PATHS: dict[Kind, str] = {
    "dingtalk": "/robot/send?access_token={token}",
    "feishu": "/open-apis/bot/v2/hook/{token}",
    "wecom": "/cgi-bin/webhook/send?key={token}",
    "slack": "/services/{token}",
}
SIGNED: tuple[Kind, ...] = ("dingtalk", "feishu")


@dataclass(frozen=True)
class Group:
    """The robots of a group, and how to write to them."""

    robots: Robots
    outside: Outside[NotificationDue]
    port: int

    def channel(self, kind: Kind, token: str = TOKEN, secret: str = SECRET) -> Channel:
        url = f"https://{HOST}:{self.port}{PATHS[kind].format(token=token)}"
        return sealed(kind, url, secret if kind in SIGNED else None)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
async def group(certificates: Certificates) -> AsyncIterator[Group]:
    chosen = settings(outside_allowed=["127.0.0.0/8"], outside_ca_file=str(certificates.ca_file))
    robots = Robots(TOKEN, SECRET, keyword="Tributary")
    async with serving(robots.app(), certificates.server) as port:
        yield Group(robots, channels(chosen, resolve=resolve_here), port)


@pytest.mark.parametrize("kind", PATHS)
async def test_a_robot_delivers(group: Group, kind: Kind) -> None:
    answer = await group.outside.send(due(group.channel(kind)), KEY)

    assert (answer.outcome, answer.code) == ("done", "delivered")
    assert group.robots.texts[kind] == [
        "Tributary: Warning: Stock is low\n"
        "Product 501: 3 left, the threshold is 5; order more. (since 2026-11-30 02:10 UTC)\n"
        "No. 6c1e8b21"
    ]


@pytest.mark.parametrize("kind", PATHS)
async def test_a_full_notification_fits(group: Group, kind: Kind) -> None:
    items = [an_item(kind="own_kind", detail=f"{number} " + "缺货" * 400) for number in range(20)]

    answer = await group.outside.send(due(group.channel(kind), items, more=280, language="zh"), KEY)

    assert answer.outcome == "done"
    text = group.robots.texts[kind][0]
    lines = text.split("\n")
    assert lines[-2:] == [f"另有 {280 + 20 - (len(lines) - 3)} 条", "编号 6c1e8b21"]
    assert len(lines) > 3
    assert kind != "wecom" or len(text.encode()) <= WECOM_TEXT_BYTES_MAX


@pytest.mark.parametrize("kind", PATHS)
async def test_no_one_is_mentioned_and_nothing_is_markup(group: Group, kind: Kind) -> None:
    hostile = '@all <@all> <!channel> <at user_id="all">all</at> [here](https://x) **b** `c` # h &lt;'
    item = an_item(kind="own_kind", detail=f"{hostile}\n@所有人‮")

    assert (await group.outside.send(due(group.channel(kind), [item]), KEY)).outcome == "done"

    text = group.robots.texts[kind][0]
    assert not set("@<>[]*`#‮") & set(text)
    assert "＠all" in text
    assert ("&amp;lt;" if kind == "slack" else "&lt;") in text


@pytest.mark.parametrize(
    ("kind", "code", "retry_after_s"),
    [
        ("dingtalk", "rate_limited", 600),
        ("feishu", "rate_limited", 60),
        ("wecom", "rate_limited", 60),
        ("slack", "rate_limited", 30),
    ],
)
async def test_more_than_its_limit_waits(group: Group, kind: Kind, code: str, retry_after_s: int) -> None:
    answers = [await group.outside.send(due(group.channel(kind)), KEY) for _ in range(MESSAGES_MAX + 1)]

    assert [answer.outcome for answer in answers] == ["done"] * MESSAGES_MAX + ["unavailable"]
    assert (answers[-1].code, answers[-1].retry_after_s) == (code, retry_after_s)
    assert len(group.robots.texts[kind]) == MESSAGES_MAX


@pytest.mark.parametrize("kind", PATHS)
async def test_a_wrong_token_is_gone(group: Group, kind: Kind) -> None:
    answer = await group.outside.send(due(group.channel(kind, token="t-canary-too")), KEY)

    assert (answer.outcome, answer.code) == ("refused", "gone")
    assert "copy its address again" in answer.detail


@pytest.mark.parametrize("kind", SIGNED)
async def test_a_wrong_secret_is_refused(group: Group, kind: Kind) -> None:
    answer = await group.outside.send(due(group.channel(kind, secret="SECanother")), KEY)

    assert (answer.outcome, answer.code) == ("refused", "wrong_sign")
    assert "secret" in answer.detail


@pytest.mark.parametrize("kind", SIGNED)
async def test_a_missing_keyword_is_refused(group: Group, kind: Kind) -> None:
    group.robots.keyword = "another"

    answer = await group.outside.send(due(group.channel(kind)), KEY)

    assert (answer.outcome, answer.code) == ("refused", "no_keyword")
    assert "Tributary" in answer.detail


async def test_tokens_and_secrets_are_in_no_log_answer_or_repr(
    group: Group, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        seen = [await group.outside.send(due(group.channel(kind)), KEY) for kind in PATHS]
        seen += [await group.outside.send(due(group.channel(kind, token="t-canary-too")), KEY) for kind in PATHS]
        seen += [await group.outside.send(due(group.channel(kind, secret="SECs-canary2")), KEY) for kind in SIGNED]

    written = "\n".join([*map(repr, seen), repr(group.channel("dingtalk")), logged(caplog), *capfd.readouterr()])

    assert [answer.outcome for answer in seen] == ["done"] * len(PATHS) + ["refused"] * len((*PATHS, *SIGNED))
    assert "canary" not in written
