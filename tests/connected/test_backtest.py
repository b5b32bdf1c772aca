"""The commands that explain, rehearse and preview, as a person runs them, over orders stored in a real MongoDB."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from contracts.commissions.view import COMMISSIONS
from contracts.network.view import DISTRIBUTORS, Distributor, Sponsorship, Standing
from contracts.orders.view import ORDERS
from contracts.rules.view import RULES
from infra.demo.baskets import baskets
from infra.ports.store import Document
from infra.runtime.repository import Codec
from tests.bench.stored_orders import CURRENCY, rules_document, stored
from tests.connected.running import Ended, Site, command
from tests.oracle.worlds import Network

BASKETS = 700
JANUARY = ("--from", "2017-01-01", "--to", "2017-01-31")
DRAFT = """
title: Spring
pool_rate: "0.20"
plans:
  - {plan: unilevel, name: direct, rates: ["0.06", "0.02"], caps: [{per: month, currency: USD, amount: "20.00"}]}
  - {plan: team_bonus, name: team, rate: "0.01"}
"""
_distributors = Codec(Distributor, key="distributor_id")


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    path = tmp_path / "draft.yaml"
    path.write_text(DRAFT)
    return path


@pytest.fixture
def deep_draft(draft: Path) -> Path:
    """Three levels, which the default market does not allow."""
    draft.write_text(DRAFT.replace('["0.06", "0.02"]', '["0.06", "0.02", "0.01"]'))
    return draft


@pytest.fixture
async def past(site: Site) -> AsyncIterator[Any]:
    """A few days of real baskets, as the workers would have stored them."""
    bought = list(islice(baskets(BASKETS), BASKETS))
    documents = list(stored(bought))
    network = Network(400, seed=4)
    joined = datetime(2016, 1, 1, tzinfo=UTC)
    people = [
        Distributor(
            distributor_id,
            (Standing(joined, person["tier"], person["active"]),),
            (Sponsorship(joined, sponsor),),
            (),
            sponsor,
        )
        for (distributor_id, person), sponsor in zip(network.people.items(), network.sponsor.values(), strict=True)
    ]
    with MongoClient[Document](site.settings.mongodb_url, tz_aware=True) as client:
        database = client[site.settings.database]
        database[ORDERS].insert_many([order for order, _ in documents])
        database[COMMISSIONS].insert_many([paid for _, paid in documents if paid is not None])
        database[DISTRIBUTORS].insert_many([_distributors.to_document(person) for person in people])
        database[RULES].insert_one(rules_document(bought))
        yield database


async def run(site: Site, *words: str) -> Ended:
    return await command(*words, environment=site.environment())


async def everything(site: Site) -> Any:
    return {name: await site.documents(name) for name in (ORDERS, COMMISSIONS, DISTRIBUTORS, RULES)}


async def test_a_backtest_prints_writes_and_draws_and_changes_nothing(
    site: Site, past: Any, draft: Path, tmp_path: Path
) -> None:
    before = await everything(site)

    ended = await run(
        site,
        "rules",
        "backtest",
        str(draft),
        *JANUARY,
        "--json",
        str(tmp_path / "b.json"),
        "--chart",
        str(tmp_path / "b.svg"),
    )

    assert ended.code == 0, ended.err
    assert "“Spring” from 2017-01-01 to 2017-01-31" in ended.out
    assert "share of sales" in ended.out
    report = json.loads((tmp_path / "b.json").read_text())
    assert report["orders"] == past[COMMISSIONS].count_documents({})
    assert report["breaches"] == []
    in_dollars = report["currencies"][CURRENCY]
    remaining = [
        entry["amount_minor"] + sum(reversal["amounts_minor"][index] for reversal in paid.get("reversals", ()))
        for paid in past[COMMISSIONS].find()
        for index, entry in enumerate(paid["entries"])
    ]
    assert in_dollars["today"] == f"{sum(remaining) / 100:.2f}"
    assert ElementTree.parse(tmp_path / "b.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own
    assert await everything(site) == before


async def test_a_backtest_finds_its_orders_by_an_index(site: Site, past: Any) -> None:
    period = {"placed_at": {"$gte": datetime(2017, 1, 1, tzinfo=UTC), "$lt": datetime(2017, 2, 1, tzinfo=UTC)}}
    query = {"find": ORDERS, "filter": period, "sort": {"placed_at": 1}}
    plan = past.command("explain", query, verbosity="queryPlanner")["queryPlanner"]["winningPlan"]

    assert "IXSCAN" in str(plan)
    assert "COLLSCAN" not in str(plan)
    assert "SORT" not in str(plan).replace("sortPattern", "")


async def test_a_draft_that_breaks_market_limits_is_rehearsed_and_ends_with_1(
    site: Site, past: Any, deep_draft: Path
) -> None:
    ended = await run(site, "rules", "backtest", str(deep_draft), *JANUARY, "--json", "-")

    assert ended.code == 1
    assert [breach["limit"] for breach in ended.object["breaches"]] == ["levels_paid_max"]
    assert "It cannot be activated" in ended.err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--from", "2017-02-01", "--to", "2017-01-01"), "is before --from"),
        ((*JANUARY, "--margin-floor", "2"), "give a share from 0 to 1"),
        ((*JANUARY, "--chart", "/nowhere/at/all.svg"), "No such file"),
    ],
)
async def test_invalid_options_end_with_one_sentence(
    site: Site, past: Any, draft: Path, options: tuple[str, ...], sentence: str
) -> None:
    ended = await run(site, "rules", "backtest", str(draft), *options)
    assert ended.code == 2
    assert sentence in ended.err
    assert "Traceback" not in ended.err


async def test_an_order_is_explained_in_both_languages_and_as_data(site: Site, past: Any) -> None:
    paid = past[COMMISSIONS].find_one({"reversals": {"$ne": []}})
    total = sum(entry["amount_minor"] for entry in paid["entries"])

    english = await run(site, "explain", paid["_id"])
    chinese = await run(site, "explain", paid["_id"], "--lang", "zh")
    data = await run(site, "explain", paid["_id"], "--json")

    assert (english.code, chinese.code, data.code) == (0, 0, 0), english.err
    assert f"It pays {total / 100:.2f} USD out of a pool of" in english.out
    assert f"本单佣金合计 {total / 100:.2f} USD" in chinese.out
    assert data.object["total"] == f"{total / 100:.2f}"
    parts = [part["amount"] for line in data.object["lines"] for part in line["parts"] if "reason" not in part]
    assert f"{sum(map(float, parts)):.2f}" == data.object["total"]


async def test_an_unknown_order_is_reported_as_unknown(site: Site) -> None:
    ended = await run(site, "explain", "nowhere/1", "--lang", "zh")
    data = await run(site, "explain", "nowhere/1", "--json")

    assert (ended.code, ended.out) == (1, "")
    assert "查无订单 nowhere/1" in ended.err
    assert (data.code, data.object["status"]) == (1, "unknown")


async def test_a_move_is_previewed(site: Site, past: Any) -> None:
    """A distributor with a sponsor moves to the top: only the upline loses, nothing else changes."""
    mover = past[ORDERS].find_one({"status": "completed", "upline.2": {"$exists": True}})["upline"][0]["distributor_id"]
    words = ("network", "preview-move", str(mover), "--until", "2017-01-05")

    ended = await run(site, *words)
    data = await run(site, *words, "--json")
    cycle = await run(site, *words, "--under", str(mover))

    assert ended.code == 0, ended.err
    assert f"Distributor {mover} would be at the top of the network." in ended.out
    assert data.object["orders"] > 0
    assert all(float(d["change"]) < 0 for d in data.object["currencies"][CURRENCY]["distributors"])
    assert cycle.code == 1
    assert "would close a cycle" in cycle.err
