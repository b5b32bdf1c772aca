"""`tributary settle` and `tributary statements` over real servers: two persons, a close by hand, and files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contracts.network.view import DISTRIBUTORS
from infra.adapters.os_user import os_user
from infra.runtime import roster
from tests.connected.running import Ended, Site, command

TERMS = str(Path(__file__).parents[2] / "docs" / "examples" / "settlement-terms.yaml")
MARKET = ("--market", "default")
ADJUSTMENT = ("--distributor", "42", "--currency", "CNY", "--reason", "goodwill", "--note", "late")


async def run(site: Site, *arguments: str) -> Ended:
    return await command(*arguments, environment=site.environment())


@asynccontextmanager
async def at_work(site: Site) -> AsyncIterator[None]:
    """With distributor 42."""
    async with site.loops(roster.load("settlement")):
        await site.store.transact(lambda tx: tx.insert(DISTRIBUTORS, [{"_id": 42}]))
        yield


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def digest_in(site: Site, *listing: str) -> str:
    [found] = (await run(site, *listing, "--json")).object
    digest: str = found["digest"]
    return digest


async def test_from_terms_to_a_statement_in_files(site: Site, tmp_path: Path) -> None:
    async with at_work(site):
        proposed = await run(site, "settle", "propose-terms", "1", TERMS, "--by", "ann")
        digest = await digest_in(site, "settle", "terms")
        alone = await run(site, "settle", "approve-terms", "1", "--digest", digest[:8], "--by", "ann")
        approved = await run(site, "settle", "approve-terms", "1", "--digest", digest[:8], "--by", "wei")
        adjusted = await run(
            site, "settle", "adjust", "a-1", *ADJUSTMENT, "--amount", "150.00", "--by", "ann", "--json"
        )
        [event] = adjusted.object["events"]
        approve = ("settle", "approve-adjustment", "a-1", "--digest", event["digest"][:10])
        payee = await run(site, *approve, "--by", "wei", "--approver-distributor", "42")
        booked = await run(site, *approve, "--by", "wei", "--json")
        statement_id = booked.object["events"][0]["statement_id"]
        period = statement_id.split("/")[1]
        early = await run(site, "settle", "close", period, *MARKET, "--by", "ann", "--yes")
        preview, sums = await asyncio.gather(
            run(site, "settle", "preview", "--distributor", "42"), run(site, "settle", "preview", "--json")
        )
        closed = await run(site, "settle", "close", period, "--distributor", "42", "--by", "ann", "--yes", "--json")

    assert (proposed.code, digest in proposed.out, approved.code) == (0, True, 0)
    assert (alone.code, "refused: same_person" in alone.err) == (1, True)
    assert (payee.code, "refused: payee_approves_own" in payee.err) == (1, True)
    assert (early.code, "refused: period_not_over" in early.err) == (1, True)
    assert preview.out.startswith(f"{period} of market default ends ")
    assert "from now." in preview.out.splitlines()[0]
    assert "150.00 CNY is payable to you." in preview.out
    assert [(row["accounts"], row["payable"]) for row in sums.object] == [(1, "150.00")]
    assert (closed.object["outcome"], closed.object["events"][0]["os_user"]) == ("closed", os_user())

    files = {form: tmp_path / f"statement.{form}" for form in ("csv", "html", "pdf")}
    options = [word for form, path in files.items() for word in (f"--{form}", str(path))]
    listed, shown, wrote, missing = await asyncio.gather(
        run(site, "statements", "list", "--distributor", "42", "--json"),
        run(site, "statements", "show", statement_id, "--lang", "zh"),
        run(site, "statements", "show", statement_id, *options),
        run(site, "statements", "show", "default/1999-01/42/CNY"),
    )
    [summary] = listed.object
    assert (summary["payable_minor"], summary["outcome"]) == (15_000, "payable")
    assert "期初 0.00 + 明细 150.00 = 应结总额 150.00" in shown.out
    assert (wrote.code, len(wrote.out.splitlines())) == (0, 3)
    assert [path.read_bytes()[:5] for path in files.values()] == [b"\xef\xbb\xbfSt", b"<!DOC", b"%PDF-"]
    assert names_in(tmp_path) == sorted(path.name for path in files.values())
    assert (missing.code, "There is no statement default/1999-01/42/CNY" in missing.err) == (1, True)


async def test_an_empty_store_says_what_to_do(site: Site) -> None:
    market = ("--market", "nowhere")
    nothing, terms, statements = await asyncio.gather(
        run(site, "settle", "preview", *market),
        run(site, "settle", "terms", *market),
        run(site, "statements", "list", *market),
    )
    assert "Nothing is open in market nowhere" in nothing.out
    assert "There are no terms" in terms.out
    assert "There is no such statement" in statements.out
    adjust = ("settle", "adjust", "a-9", *ADJUSTMENT, "--amount", "1.00")
    for wrong, sentence in (((), "There is no distributor 42;"), (market, "There is no market nowhere:")):
        lost = await run(site, *adjust, *wrong)
        assert (lost.code, lost.err.startswith(sentence)) == (1, True), lost.err
    unknown = await run(site, "settle", "approve-adjustment", "none", "--digest", "0123456789")
    assert (unknown.code, "There is no adjustment none" in unknown.err) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("approve-terms", "1", "--digest", "abc"),
        ("propose-terms", "1", TERMS, "--from", "tomorrow"),
        ("adjust", "a-2", *ADJUSTMENT, "--amount", "much"),
        ("close", "October"),
    ],
)
async def test_wrong_usage_ends_with_2(site: Site, arguments: tuple[str, ...]) -> None:
    ended = await run(site, "settle", *arguments)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
