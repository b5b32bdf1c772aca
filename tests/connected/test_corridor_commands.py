"""`tributary corridors` over real servers: defined, opened by another person, listed and closed."""

from __future__ import annotations

import pytest

from infra.runtime import roster
from tests.connected.running import Ended, Site, command

ROUTE = ("--rail", "paypal", "--from", "DE", "--to", "US", "--currency", "USD")


async def run(site: Site, *arguments: str) -> Ended:
    return await command("corridors", *arguments, environment=site.environment())


async def test_from_a_proposal_to_a_closed_corridor(site: Site) -> None:
    async with site.loops(roster.load("payouts")):
        none = await run(site, "list")
        limits = ("--per-payment", "USD=10000.00", "--per-year", "USD=50000.00")
        defined = await run(site, "define", "us-1", *ROUTE, *limits, "--by", "ann", "--json")
        [event] = defined.object["events"]
        approve = ("approve", "us-1", "--digest", event["digest"][:10])
        alone = await run(site, *approve, "--by", "ann")
        opened = await run(site, *approve, "--by", "wei")
        listed = await run(site, "list")
        closed = await run(site, "close", "us-1", "--reason", "policy", "--by", "ann")
        left = await run(site, "list", "--json")
        every = await run(site, "list", "--all", "--json")

    assert "There are no corridors" in none.out
    assert (alone.code, "refused: same_person" in alone.err) == (1, True)
    assert opened.code == 0, opened.err
    assert "10000.00 USD" in listed.out
    assert (closed.code, left.object) == (0, [])
    [known] = every.object
    assert (known["limit_per_year"], known["state"]) == ({"USD": 5_000_000}, "closed")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--per-payment", "10000"), "--per-payment: write a currency and an amount, such as USD=10000.00."),
        (("--per-year", "USD=much"), "limit_per_year.0.amount: "),
    ],
)
async def test_a_limit_that_cannot_be_read_is_refused(site: Site, options: tuple[str, ...], sentence: str) -> None:
    ended = await run(site, "define", "us-2", *ROUTE, *options)

    assert (ended.code, ended.out, sentence in ended.err) == (2, "", True)
