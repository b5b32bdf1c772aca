"""`tributary fx` over real servers: a table in a CSV file, and two persons."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.adapters.os_user import os_user
from infra.runtime import roster
from tests.connected.running import Ended, Site, command

OPTIONS = ("--source", "treasury", "--base", "EUR", "--as-of", "2026-11-02T16:00:00+01:00")


async def run(site: Site, *arguments: str) -> Ended:
    return await command("fx", *arguments, environment=site.environment())


async def test_from_a_file_to_an_approved_table(site: Site, tmp_path: Path) -> None:
    rates, table = tmp_path / "rates.csv", "treasury-2026-11-02T15:00:00Z"
    rates.write_text("\ufeffcurrency,rate\nCNY,7.8000\n\nUSD, 1.0920\n")
    async with site.loops(roster.load("exchange_rates")):
        none = await run(site, "show")
        proposed = await run(site, "publish", str(rates), *OPTIONS, "--spread", "0.005", "--by", "ann", "--json")
        [event] = proposed.object["events"]
        approve = ("approve", table, "--digest", event["digest"][:10])
        alone = await run(site, *approve, "--by", "ann")
        approved = await run(site, *approve, "--by", "wei")
        again = await run(site, "publish", str(rates), *OPTIONS, "--id", "t-2", "--by", "ann")
        late = await run(site, "reject", table, "--reason", "late", "--by", "ann")
        listed = await run(site, "show", "--as-of", "2026-11-02T15:00:00Z", "--json")
        earlier = await run(site, "show", "--as-of", "2026-11-02T14:59:00Z", "--json")
        shown = await run(site, "show", table)

    assert "There are no exchange rates" in none.out
    assert (event["table_id"], event["os_user"]) == (table, os_user())
    assert (alone.code, "refused: same_person" in alone.err) == (1, True)
    assert approved.code == 0, approved.err
    assert (again.code, "refused: older_than_known" in again.err) == (1, True)
    assert (late.code, "refused: already_decided" in late.err) == (1, True)
    [known] = listed.object
    assert (known["rates"], known["state"]) == ({"CNY": "7.8000", "USD": "1.0920"}, "approved")
    assert earlier.object == []
    assert "1.0920" in shown.out


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "begin it with the line `currency,rate`."),
        (b"code,rate\nUSD,1.1\n", "begin it with the line `currency,rate`."),
        (b"currency,rate\nUSD\n", "line 2 has 1 values; write a currency and a rate."),
        (b"\xff\xfe", "it is not valid UTF-8; save it as UTF-8."),
        (b"currency,rate\n" + b"USD,1.1\n" * 20_000, "a table of exchange rates is smaller."),
        (b"currency,rate\nUSD,1.1\nUSD,1.2\n", "USD has one rate too many; state each once, and the base not at all."),
        (b"currency,rate\nUSD,much\n", "rates.0.rate: "),
        (b"currency,rate\n", "rates: "),
    ],
)
async def test_a_file_without_rates_is_refused(site: Site, tmp_path: Path, content: bytes, sentence: str) -> None:
    file = tmp_path / "rates.csv"
    file.write_bytes(content)

    ended = await run(site, "publish", str(file), *OPTIONS)

    assert (ended.code in (1, 2), ended.out) == (True, "")
    assert sentence in ended.err


async def test_a_missing_table_or_file_ends_with_a_sentence(site: Site, tmp_path: Path) -> None:
    for arguments in (("show", "none"), ("approve", "none", "--digest", "0123456789")):
        ended = await run(site, *arguments)
        assert (ended.code, "There is no table none" in ended.err) == (1, True)
    missing = await run(site, "publish", str(tmp_path / "none.csv"), *OPTIONS)
    assert (missing.code, "No such file" in missing.err) == (2, True)
    untimed = await run(site, "publish", str(tmp_path / "none.csv"), *OPTIONS[:-1], "yesterday")
    assert (untimed.code, "--as-of: 'yesterday' is not a time" in untimed.err) == (2, True)
