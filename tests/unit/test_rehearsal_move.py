"""A move is previewed with the orders of the moved distributor's downline and the new upline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contracts.network.view import Distributor, Sponsorship, Standing
from contracts.plans.sale import Earner
from contracts.rules.view import (
    Caps,
    Terms,
)
from infra.rehearsal.move import MoveImpossible, moved_sale, preview_move
from infra.rehearsal.move_view import as_object as preview_object
from infra.rehearsal.orders import past_order
from tests.bench.stored_orders import CURRENCY, RULE_VERSION
from tests.unit.past import (
    JANUARY,
    a_commission,
    a_store,
    an_order,
    distributors_codec,
    levels,
    rules,
    shown,
    terms,
)
from tests.workflow.in_memory import InMemoryStore


class TestMove:
    def test_the_upline_is_replaced_and_limited_to_the_depth_of_a_snapshot(self) -> None:
        sale = past_order(an_order(chain=(5, 3, 2, 1))).sale
        above = tuple(Earner(0, 100 + number, "gold", True) for number in range(40))

        moved = moved_sale(sale, 3, above)

        assert moved is not None
        assert [up.distributor_id for up in moved.upline][:4] == [5, 3, 100, 101]
        assert [up.level for up in moved.upline] == list(range(1, 31))
        assert moved_sale(sale, 77, above) is None
        top = moved_sale(sale, 3, ())
        assert top is not None
        assert [up.distributor_id for up in top.upline] == [5, 3]

    async def test_the_new_sponsor_gains_what_the_former_one_loses(self) -> None:
        found = await preview_move(moving_store(terms(levels(50_000, 30_000, 20_000))), 3, 4, *PERIOD)

        assert found.chain == (4, 1)
        assert (found.orders, found.sellers) == (2, {3, 5})
        changes = found.by_currency[CURRENCY].changes()
        assert [(c.distributor_id, c.change_minor) for c in changes if c.change_minor] == [(4, 500), (2, -500)]

    async def test_with_caps_all_orders_count(self) -> None:
        """The new sponsor's monthly cap is reached by the sales of others, so the move gains nothing."""
        capped = terms(levels(50_000, 30_000, caps=Caps(month={CURRENCY: 300})))
        found = await preview_move(moving_store(capped), 3, 4, *PERIOD)

        changes = {c.distributor_id: c.change_minor for c in found.by_currency[CURRENCY].changes()}
        assert found.orders == 2
        assert found.by_currency[CURRENCY].orders == 3
        assert changes[4] == 0
        assert "Caps and own sales count everyone's orders" in shown(found)

    async def test_a_move_to_the_top_has_no_upline(self) -> None:
        found = await preview_move(moving_store(terms(levels(50_000, 30_000))), 3, None, *PERIOD)

        assert found.chain == ()
        assert [(c.distributor_id, c.change_minor) for c in found.by_currency[CURRENCY].changes()][-1] == (2, -300)
        assert "at the top of the network" in shown(found)

    @pytest.mark.parametrize(
        ("who", "under", "words"),
        [
            (3, 5, "close a cycle"),
            (3, 3, "close a cycle"),
            (3, 77, "There is no distributor 77"),
            (77, 3, "no distributor 77"),
        ],
    )
    async def test_an_impossible_move_raises(self, who: int, under: int, words: str) -> None:
        with pytest.raises(MoveImpossible, match=words):
            await preview_move(moving_store(terms(levels(50_000))), who, under, *PERIOD)

    async def test_without_orders_the_newest_order_is_suggested(self) -> None:
        begin = JANUARY + timedelta(days=60)
        found = await preview_move(moving_store(terms(levels(50_000))), 3, 4, begin, begin + timedelta(days=30))

        assert found.orders == 0
        assert "try --until 2017-01-15" in shown(found)
        assert preview_object(found)["currencies"] == {}

    async def test_the_object_has_only_affected_distributors(self) -> None:
        found = await preview_move(moving_store(terms(levels(50_000, 30_000, 20_000))), 3, 4, *PERIOD)
        plain = preview_object(found)

        assert plain["currencies"][CURRENCY]["distributors"][0] == {
            "distributor_id": 4,
            "paid": "0.00",
            "would_be": "5.00",
            "change": "5.00",
        }
        assert "below 4, below 1" in shown(found)


PERIOD = (JANUARY - timedelta(days=14), JANUARY + timedelta(days=16))


def moving_store(promised: Terms) -> InMemoryStore:
    """1 sponsors 2 and 4, 2 sponsors 3, 3 sponsors 5. One sale each by 4, 3 and 5, in this order."""
    sponsors = {1: None, 2: 1, 3: 2, 4: 1, 5: 3}
    since = datetime(2016, 1, 1, tzinfo=UTC)
    people = [
        distributors_codec.to_document(
            Distributor(who, (Standing(since, "standard", True),), (Sponsorship(since, sponsor),), sponsor_id=sponsor)
        )
        for who, sponsor in sponsors.items()
    ]
    chains = {4: (4, 1), 3: (3, 2, 1), 5: (5, 3, 2, 1)}
    orders = [
        an_order(f"shop-1/{who}", chain=chain, placed_at=JANUARY + timedelta(minutes=number))
        for number, (who, chain) in enumerate(chains.items())
    ]
    commissions = [a_commission(order["_id"], (1, 1)) for order in orders]
    return a_store(orders=orders, commissions=commissions, people=people, rules=[rules(RULE_VERSION, promised)])
