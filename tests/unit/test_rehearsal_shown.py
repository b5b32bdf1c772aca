"""A backtest as tables, as an object, and as a chart."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from contracts.rules.view import (
    Fixed,
    TeamBonus,
)
from infra.rehearsal.backtest import Backtest, backtest
from infra.rehearsal.chart import svg_of
from infra.rehearsal.comparison import Comparison
from infra.rehearsal.view import as_object
from tests.bench.stored_orders import CURRENCY
from tests.unit.past import (
    FIRST,
    LAST,
    levels,
    shown,
    terms,
    the_past,
)

pytestmark = pytest.mark.slow


class TestShown:
    async def test_the_chart_has_every_month_and_currency(self) -> None:
        found = await backtest(the_past(), terms(levels(90_000)), FIRST, LAST)
        found = replace_title(found, "Tea & <cups>")
        found.by_currency["JPY"] = Comparison()

        picture = ElementTree.fromstring(svg_of(found))  # noqa: S314 - our own

        texts = [text.text or "" for text in picture.iter("{http://www.w3.org/2000/svg}text")]
        assert "“Tea & <cups>” rehearsed, 2017-01-01 to 2017-01-31" in texts
        assert texts.index("Cost in USD") < texts.index("Cost in JPY")
        assert "2017-01" in texts
        tips = [tip.text or "" for tip in picture.iter("{http://www.w3.org/2000/svg}title")]
        counts = [int(tip.split(": ")[1].replace(",", "")) for tip in tips if "USD" not in tip]
        assert sum(counts) == len(found.by_currency[CURRENCY].changes())

    def test_a_chart_without_orders_states_it(self) -> None:
        empty = Backtest("Draft", "default", FIRST, LAST, 500_000)
        assert "No paid order was placed" in svg_of(empty)

    async def test_the_tables_have_today_draft_and_change(self) -> None:
        draft = terms(
            levels(100_000), Fixed("units", {CURRENCY: (50,)}), TeamBonus("team", 10_000), pool_rate_ppm=600_000
        )
        text = shown(await backtest(the_past(), draft, FIRST, LAST, margin_floor_ppm=850_000))

        for words in ("share of sales", "plan direct", "plan units", "lines below margin 0.85", "the thinnest lines"):
            assert words in text
        assert "distributors gain" in text
        assert "It cannot be activated: pool_rate" in text

    async def test_the_object_is_json(self) -> None:
        found = await backtest(the_past(), terms(levels(100_000)), FIRST, LAST, margin_floor_ppm=950_000)
        plain = json.loads(json.dumps(as_object(found)))

        assert plain["margin_floor"] == "0.95"
        assert plain["currencies"][CURRENCY]["thin_lines"]["draft"] > 0
        assert plain["currencies"][CURRENCY]["months"].keys() == {"2017-01"}


def replace_title(found: Backtest, title: str) -> Backtest:
    return replace(found, title=title)
