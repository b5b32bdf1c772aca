"""`tributary rules` over real servers: what it sends, what it prints, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contracts.wire.envelope import COMMANDS_EXCHANGE
from infra.adapters.os_user import os_user
from infra.runtime import roster
from tests.connected.running import Ended, Site, command

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
TWO_LEVELS = str(EXAMPLES / "rules-two-levels.yaml")
TIERS = str(EXAMPLES / "rules-tiers.yaml")
NOT_TAKEN = "no worker has taken it yet"


async def rules(site: Site, *arguments: str) -> Ended:
    return await command("rules", *arguments, environment=site.environment())


@asynccontextmanager
async def rule_book(site: Site) -> AsyncIterator[None]:
    async with site.loops(roster.load("rule_book")):
        yield


async def digest_of(path: str, site: Site) -> str:
    return (await rules(site, "explain", path)).out.splitlines()[-1]


async def test_a_rule_set_from_proposal_to_retirement(site: Site) -> None:
    digest = await digest_of(TWO_LEVELS, site)
    async with rule_book(site):
        proposed = await rules(site, "propose", "1", TWO_LEVELS, "--by", "li.na")
        alone = await rules(site, "approve", "1", "--digest", digest, "--by", "li.na")
        unread = await rules(site, "approve", "1", "--digest", "0123456789", "--by", "wei")
        approved = await rules(site, "approve", "1", "--digest", digest[:8], "--by", "wei")
        activated = await rules(site, "activate", "1", "--from", "2026-01-01T00:00:00+08:00", "--by", "li.na", "--json")
        again = await rules(site, "activate", "1")
        retired = await rules(site, "retire", "1", "--by", "wei")

    assert (proposed.code, "rules/1: proposed: " in proposed.out, digest in proposed.out) == (0, True, True)
    assert (alone.code, alone.out) == (1, "")
    assert "refused: same_person: approved_by: li.na has proposed the rules" in alone.err
    assert (unread.code, "digest_mismatch" in unread.err) == (1, True)
    assert (approved.code, "rules/1: approved: " in approved.out) == (0, True)
    assert (activated.code, activated.object["outcome"]) == (0, "activated")
    [event] = activated.object["events"]
    assert (event["type"], event["effective_from"]) == ("rules.activated.v1", "2025-12-31T16:00:00Z")
    assert (again.code, again.out) == (0, "rules/1: duplicate\n")
    assert (retired.code, "rules/1: retired: " in retired.out) == (0, True)

    listed, shown, explained = await asyncio.gather(
        rules(site, "list", "--json"), rules(site, "show", "1", "--json"), rules(site, "explain", "1", "--lang", "zh")
    )
    [summary] = listed.object
    assert (summary["stage"], summary["proposed_by"], summary["approved_by"]) == ("active", "li.na", "wei")
    operator = os_user()
    assert [shown.object[f"{step}_os_user"] for step in ("proposed", "approved", "activated")] == [operator] * 3
    assert (shown.object["digest"], shown.object["terms"]["pool_rate_ppm"]) == (digest, 150_000)
    assert (explained.out.splitlines()[0], explained.out.splitlines()[-1]) == (
        "“Two levels”适用于市场 default。",
        digest,
    )
    assert (await rules(site, "show", "7")).code == 1


async def test_limits_of_a_market_are_kept_with_their_clause(site: Site) -> None:
    own_sales_only = str(EXAMPLES / "market-cn-direct-selling.yaml")
    downline = EXAMPLES / "rules-two-levels.yaml"
    path = site.logs / "downline.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"market: cn-direct-selling\n{downline.read_text('utf-8')}", "utf-8")
    async with rule_book(site):
        assert (await rules(site, "market", own_sales_only)).code == 0
        await rules(site, "propose", "2", str(path), "--by", "li.na")
        await rules(site, "approve", "2", "--digest", await digest_of(str(path), site), "--by", "wei")
        refused = await rules(site, "activate", "2")
        checked = await rules(site, "check", str(path), "--market", "cn-direct-selling")

    assert (refused.code, refused.out) == (1, "")
    assert "refused: market_limit: plan direct: it pays up to level 2" in refused.err
    assert "《禁止传销条例》第七条" in refused.err
    assert (checked.code, "第二十四条" in checked.out) == (1, True)


async def test_a_waiting_and_an_unread_command_are_reported(site: Site) -> None:
    async with rule_book(site):
        waits = await rules(site, "activate", "3", "--wait", "1.5")
    unread = await rules(site, "propose", "3", TIERS, "--wait", "0.5")

    assert (waits.code, "rules/3: not yet: not_proposed" in waits.err) == (1, True), waits.err
    assert (unread.code, NOT_TAKEN in unread.err) == (1, True)


@pytest.mark.parametrize("arguments", [("retire", "1", "--from", "tomorrow"), ("approve", "1", "--digest", "abc")])
async def test_wrong_usage_ends_with_2(site: Site, arguments: tuple[str, ...]) -> None:
    ended = await rules(site, *arguments)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)


async def test_a_command_without_a_queue_is_an_error(site: Site) -> None:
    async with site.channel() as channel:
        queue = await channel.get_queue("rule_book.rules.retire", ensure=False)
        await queue.unbind(COMMANDS_EXCHANGE, "rules.retire.v1")
        try:
            ended = await rules(site, "retire", "1", "--wait", "0")
        finally:
            await queue.bind(COMMANDS_EXCHANGE, "rules.retire.v1")

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (3, "", 1)
    assert "no queue takes rules.retire.v1; declare it: `tributary topology --apply`" in ended.err
