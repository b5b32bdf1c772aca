"""The demo's reference data and messages: each message is accepted, refused or unreadable as expected."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from contracts.network.v1 import RegisterDistributor
from contracts.orders import v1, v2
from contracts.stock.v1 import ReceiveStock
from contracts.wire.envelope import BATCH, COMMANDS_EXCHANGE, STRUCTURED, message_of
from contracts.wire.reading import Reader
from contracts.wire.refusal import Unreadable
from infra.demo import baskets as source
from infra.demo.baskets import Basket, baskets, products, single_lines
from infra.demo.population import Population, populate
from infra.demo.traffic import BARE, FLAWS, ORDERS, Publication, expect, order_events, traffic

pytestmark = pytest.mark.slow

ORDERS_USED = 200
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def used() -> list[Basket]:
    return list(baskets(ORDERS_USED))


@pytest.fixture(scope="module")
def population(used: list[Basket]) -> Population:
    return populate(used)


@pytest.fixture(scope="module")
def published(used: list[Basket], population: Population) -> tuple[Publication, ...]:
    return traffic(used, population.distributor_of)


def placed_in(publication: Publication) -> list[v2.PlaceOrder]:
    """The orders of a publication, read with the contract; raises ValidationError if they are invalid."""
    if publication.content_type == BARE:
        bare = v1.PlaceOrder.model_validate_json(publication.body)
        line = v2.Line(product_id=bare.product_id, quantity=bare.quantity, amount=bare.total_price)
        head = {"shop_id": bare.shop_id, "order_id": bare.order_id, "distributor_id": bare.distributor_id}
        return [v2.PlaceOrder.model_validate({**head, "lines": (line,), "total": bare.total_price})]
    events = json.loads(publication.body) if publication.content_type == BATCH else [json.loads(publication.body)]
    return [message_of(v2.PlaceOrder).model_validate_json(json.dumps(event)).data for event in events]


def only(published: tuple[Publication, ...], kind: str, answer: str) -> list[Publication]:
    return [publication for publication in published if (publication.kind, publication.answer) == (kind, answer)]


class TestBaskets:
    def test_baskets_are_in_time_order_from_the_start_of_the_data(self, used: list[Basket]) -> None:
        assert len(used) == ORDERS_USED
        assert used[0].placed_at == datetime(2017, 1, 1, 11, 53, 26, tzinfo=UTC)
        assert [b.placed_at for b in used] == sorted(b.placed_at for b in used)
        assert len({b.basket_id for b in used}) == ORDERS_USED

    def test_the_net_equals_the_sales_value_to_the_cent(self, used: list[Basket]) -> None:
        rows = pq.ParquetFile(source._file("transactions.parquet")).read(
            columns=["basket_id", "product_id", "quantity", "sales_value"]
        )
        rows = rows.slice(0, 20_000)
        received = dict(
            zip(
                zip(map(str, rows["basket_id"].to_pylist()), rows["product_id"].to_pylist(), strict=True),
                zip(rows["quantity"].to_pylist(), pc.round(rows["sales_value"], 2).to_pylist(), strict=True),
                strict=True,
            )
        )
        for basket in used:
            for line in basket.lines:
                quantity, sales_value = received.pop((basket.basket_id, line.product_id))
                assert line.quantity == quantity
                assert line.net == Decimal(str(sales_value))
                assert line.amount >= line.discount >= 0
                assert line.amount.as_tuple().exponent == line.discount.as_tuple().exponent == -2
        assert not {b.basket_id for b in used} & {basket_id for basket_id, _ in received}

    def test_invalid_rows_of_the_data_are_kept(self, used: list[Basket]) -> None:
        quantities = [line.quantity for basket in used for line in basket.lines]
        assert 0 in quantities
        assert max(quantities) > 1_000

    def test_single_lines_are_separate_orders(self) -> None:
        singles = list(single_lines(50))
        assert [len(basket.lines) for basket in singles] == [1] * 50
        assert len({basket.key for basket in singles}) == 50
        assert all(basket.orderable for basket in singles)


class TestPopulation:
    def test_the_same_baskets_give_the_same_population(self, used: list[Basket], population: Population) -> None:
        assert populate(used) == population

    def test_sponsors_come_before_recruits_so_there_is_no_cycle(self, population: Population) -> None:
        levels: dict[int, int] = {}
        for registration in population.distributors:
            assert registration.distributor_id not in levels
            sponsor = registration.sponsor_id
            levels[registration.distributor_id] = 1 if sponsor is None else levels[sponsor] + 1
        assert 4 <= max(levels.values()) <= 9

    def test_every_basket_has_its_shop_seller_and_products(self, used: list[Basket], population: Population) -> None:
        distributors = {registration.distributor_id for registration in population.distributors}
        inactive = {change.distributor_id for change in population.changes}
        assert {basket.shop_id for basket in used} == {shop.shop_id for shop in population.shops}
        assert {line.product_id for b in used for line in b.lines} == {p.product_id for p in population.products}
        sellers = {population.distributor_of(basket.household_id) for basket in used}
        assert sellers <= distributors - inactive
        assert len(inactive) == 3
        assert inactive <= distributors

    def test_stock_suffices_for_all_but_a_few_orders(self, used: list[Basket], population: Population) -> None:
        available: Counter[int] = Counter()
        for receipt in population.receipts:
            available[receipt.product_id] += receipt.quantity
        low_at = {receipt.product_id: receipt.low_at or 0 for receipt in population.receipts}
        assert all(available[product_id] > limit for product_id, limit in low_at.items())
        short = []
        for basket in filter(lambda b: b.orderable, used):
            wanted = Counter({line.product_id: line.quantity for line in basket.lines})
            if wanted <= available:
                available -= wanted
            else:
                short.append(basket.key)
        assert 1 <= len(short) <= ORDERS_USED * 0.03
        assert any(available[product_id] <= limit for product_id, limit in low_at.items())

    def test_without_a_short_share_stock_suffices_for_all_orders(self, used: list[Basket]) -> None:
        received: Counter[int] = Counter()
        for receipt in populate(used, short_share=0).receipts:
            received[receipt.product_id] += receipt.quantity
        wanted: Counter[int] = Counter()
        for basket in filter(lambda b: b.orderable, used):
            for line in basket.lines:
                wanted[line.product_id] += line.quantity
        assert wanted < received

    def test_some_goods_come_in_two_lots_with_expiry_dates(self, population: Population) -> None:
        lots = [r for r in population.receipts if r.expiry_date]
        assert {lot.batch_id for lot in lots} == {"lot-a", "lot-b"}
        assert len({receipt.receipt_id for receipt in population.receipts}) == len(population.receipts)

    def test_rules_apply_before_the_first_order_and_a_few_sellers_reach_the_targets(
        self, used: list[Basket], population: Population
    ) -> None:
        sales: Counter[int] = Counter()
        for basket in filter(lambda b: b.orderable, used):
            sales[population.distributor_of(basket.household_id)] += int(basket.net * 100)
        rules = population.rules
        assert rules.activation.effective_from is not None
        assert rules.activation.effective_from < used[0].placed_at
        assert {plan.plan for plan in rules.proposal.rules.plans} == {"unilevel", "differential", "team_bonus", "fixed"}
        for target in rules.proposal.rules.targets:
            assert 1 <= sum(amount >= target.target * 100 for amount in sales.values()) <= len(sales) // 5

    def test_commands_round_trip_through_their_contracts(self, population: Population) -> None:
        kinds: Counter[type] = Counter()
        for command in chain.from_iterable(population.waves()):
            assert type(command).model_validate_json(command.model_dump_json()) == command
            kinds[type(command)] += 1
        assert kinds[RegisterDistributor] == len(population.distributors)
        assert kinds[ReceiveStock] == len(population.receipts)

    def test_each_category_id_has_one_name(self) -> None:
        pairs = {(row.category_id, row.category_name) for row in products()}
        assert len(pairs) == len({category_id for category_id, _ in pairs}) == len({name for _, name in pairs})


class TestTraffic:
    def test_the_same_seed_gives_the_same_bytes(
        self, used: list[Basket], population: Population, published: tuple[Publication, ...]
    ) -> None:
        assert traffic(used, population.distributor_of) == published
        assert traffic(used, population.distributor_of, seed=12) != published

    def test_counts_add_up(self, used: list[Basket], published: tuple[Publication, ...]) -> None:
        counted = expect(published)
        kinds = [counted.order_messages, counted.statuses, counted.refunds]
        kinds += [counted.duplicates, counted.conflicts, counted.malformed]
        assert counted.published == len(published) == sum(kinds)
        assert all(count > 0 for count in kinds)
        assert counted.orders + counted.refused_by_contract == ORDERS_USED
        assert counted.refused_by_contract == sum(not basket.orderable for basket in used)
        readable = counted.malformed - counted.dead_lettered
        assert counted.refused == counted.refused_by_contract + counted.conflicts + readable
        assert counted.batches > 0
        assert counted.early_statuses == round(counted.statuses * 0.02)
        assert {publication.exchange for publication in published} == {COMMANDS_EXCHANGE}
        assert [p.phase for p in published] == sorted(p.phase for p in published)

    def test_every_order_is_placed_once_and_is_valid(
        self, used: list[Basket], population: Population, published: tuple[Publication, ...]
    ) -> None:
        by_key = {basket.key: basket for basket in used if basket.orderable}
        for publication in only(published, "order", "taken"):
            orders = placed_in(publication)
            assert tuple(order.key for order in orders) == publication.order_keys
            assert len({order.shop_id for order in orders}) == 1
            for order in orders:
                basket = by_key.pop(order.key)
                nets = [line.amount - line.discount for line in order.lines]
                assert nets == [line.net for line in basket.lines]
                assert order.total == sum(nets)
                assert order.distributor_id == population.distributor_of(basket.household_id)
                assert (publication.content_type == BARE) == (len(order.lines) == 1)
        assert not by_key

    def test_invalid_baskets_are_published_and_refused_by_the_contract(
        self, published: tuple[Publication, ...]
    ) -> None:
        reader = Reader([v1.PlaceOrder, v2.PlaceOrder])
        for publication in only(published, "order", "refused"):
            (read,) = reader.read(
                publication.body,
                content_type=publication.content_type,
                routing_key=publication.routing_key,
                received_at=NOW,
            )
            assert isinstance(read, Unreadable)
            assert f"{read.data['shop_id']}/{read.data['order_id']}" == publication.order_key

    def test_every_status_belongs_to_an_order_that_will_exist(self, published: tuple[Publication, ...]) -> None:
        placed = {key for publication in only(published, "order", "taken") for key in publication.order_keys}
        reached: dict[str, list[str]] = {}
        for publication in only(published, "status", "taken"):
            status = v1.UpdateStatus.model_validate_json(publication.body)
            assert status.key == publication.order_key
            assert status.key in placed
            reached.setdefault(status.key, []).append(status.status)
        sensible = ["paid", "shipped", "completed", "cancelled"]
        assert all(steps == sorted(steps, key=sensible.index) for steps in reached.values())
        assert all({"shipped", "cancelled"} - set(steps) for steps in reached.values())

    def test_early_payments_precede_their_order(self, published: tuple[Publication, ...]) -> None:
        at = {key: i for i, p in enumerate(published) if p.kind == "order" for key in p.order_keys}
        early = [(i, p) for i, p in enumerate(published) if p.kind == "status" and p.phase == ORDERS]
        assert early
        assert all(b'"paid"' in p.body and i < at[p.order_keys[0]] for i, p in early)

    def test_duplicates_are_the_same_bytes_or_the_same_order_under_another_id(
        self, published: tuple[Publication, ...]
    ) -> None:
        seen: dict[bytes, Publication] = {}
        resent = 0
        for publication in published:
            if publication.kind != "duplicate":
                assert publication.body not in seen
                seen[publication.body] = publication
            elif publication.body in seen:
                assert publication.message_id == seen[publication.body].message_id
            else:
                resent += 1
                (order,) = placed_in(publication)
                assert any(
                    order in placed_in(p) for p in only(published, "order", "taken") if order.key in p.order_keys
                )
                assert publication.message_id not in {p.message_id for p in seen.values()}
        assert resent == expect(published).resent > 0

    def test_conflicts_are_valid_but_differ_from_the_first_order(self, published: tuple[Publication, ...]) -> None:
        for publication in only(published, "conflict", "refused"):
            (order,) = placed_in(publication)
            firsts = [p for p in only(published, "order", "taken") if order.key in p.order_keys]
            assert len(firsts) == 1
            assert order not in placed_in(firsts[0])
            assert publication.message_id not in {first.message_id for first in firsts}

    def test_malformed_orders_differ_and_fail_as_expected(self, published: tuple[Publication, ...]) -> None:
        malformed = [publication for publication in published if publication.kind == "malformed"]
        real = {key for publication in published if publication.kind == "order" for key in publication.order_keys}
        assert len({publication.body for publication in malformed}) == len(malformed) == len(FLAWS)
        left_to_rules = 0
        for publication in malformed:
            assert not real & set(publication.order_keys)
            (read,) = Reader([v2.PlaceOrder]).read(
                publication.body, content_type=STRUCTURED, routing_key=publication.routing_key, received_at=NOW
            )
            if not isinstance(read, Unreadable):
                left_to_rules += 1
                assert read.data.key == publication.order_key
            elif publication.answer == "refused":
                assert f"{read.data['shop_id']}/{read.data['order_id']}" == publication.order_key
            else:
                assert "order_id" not in read.data
        assert left_to_rules == 3

    def test_one_line_orders_are_simple_prepaid_and_distinct(self, population: Population) -> None:
        events = order_events(list(single_lines(40)), population.distributor_of)
        orders = [event["data"] for event in events]
        assert len({(o["shop_id"], o["order_id"]) for o in orders}) == len({event["id"] for event in events}) == 40
        assert all(order["prepaid"] and len(order["lines"]) == 1 for order in orders)
