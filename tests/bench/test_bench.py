"""A tiny benchmark ends with a table and an object; and ours has not become much slower than the floor.

No absolute time is checked: a slow machine is slow for both.
"""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from infra.adapters.mongo import MongoStore
from infra.settings import Settings
from infra.terminal.environment import environment_for
from tests.bench import report
from tests.bench.hot import hot_world
from tests.bench.latency import Latency
from tests.bench.ours import OF_ORDERS
from tests.bench.peers.floor import FloorPeer
from tests.bench.peers.peer import measure
from tests.bench.peers.place import Place
from tests.bench.peers.reference import Reference
from tests.bench.run import HALF, Bench, Findings, Sizes
from tests.bench.scaling import Costs, groups_of, predictions
from tests.bench.world import one_line_world
from tests.servers import LocalStack

TINY = Sizes(rounds=1, one_line=60, floor=300, batched=0, baskets=0, celery=0, faststream=0, latency_s=0.0, reads_s=0.0)
OURS, FLOOR, TRIES = 1_000, 6_000, 3
RATIO_MIN = 0.04
"""An idle machine gives 0.11 and more; only a loss of more than half fails."""

FIELDS = {
    "orders_per_s",
    "orders_per_s_baskets",
    "celery_orders_per_s",
    "faststream_plain_orders_per_s",
    "floor_orders_per_s",
    "ratio_celery",
    "ratio_floor",
    "p99_ms_half_load",
    "p99_ms_reads",
    "rss_mb_max",
    "growth_1m_over_10k",
}
NOT_RUN = FIELDS - {"orders_per_s", "floor_orders_per_s", "ratio_floor", "rss_mb_max"}


@pytest.fixture
def bench(stack: LocalStack, tmp_path: Path) -> Bench:
    endpoints = stack.endpoints
    settings = Settings(
        rabbitmq_url=endpoints.rabbitmq_url,
        mongodb_url=endpoints.mongodb_url,
        redis_url=endpoints.redis_url,
        database="tests_bench",
    )
    return Bench(settings, environment_for(settings), tmp_path, lambda doing, done, total: None)


async def test_a_tiny_run_ends_with_a_table_and_an_object(bench: Bench) -> None:
    found = await bench.quick(TINY)
    printed = io.StringIO()
    report.show(Console(file=printed, width=120), found)
    assert "ours, one-line orders" in printed.getvalue()
    assert "order_intake" in printed.getvalue()
    fields = json.loads(json.dumps(report.as_object(found)))
    assert set(fields) >= FIELDS
    assert {name for name in FIELDS if fields[name] is None} == NOT_RUN
    assert fields["ratio_floor"] == pytest.approx(fields["orders_per_s"] / fields["floor_orders_per_s"], abs=0.001)


@pytest.mark.measures
async def test_the_ratio_to_the_floor_stays_above_its_minimum(bench: Bench, tmp_path: Path) -> None:
    world = one_line_world(OURS * TRIES)
    events = one_line_world(FLOOR).events
    reference = Reference.of(one_line_world(FLOOR).population)
    bodies = [json.dumps(event["data"]).encode() for event in events]
    place = Place(bench.settings.rabbitmq_url, bench.settings.mongodb_url, "tests_bench_floor", "tests.bench.floor")
    ours, backlog = bench.ours(), world.singly()
    rates: list[float] = []
    floor: list[float] = []

    async def check_in_the_end(store: MongoStore, _: int) -> None:
        if len(rates) == TRIES - 1:
            await ours.check(store, OURS * TRIES)

    async with ours.staged(world) as store:
        for start in range(0, OURS * TRIES, OURS):
            run = await ours.take(store, backlog[start : start + OURS], check_in_the_end)
            rates.append(run.orders_per_s)
            floor.append((await measure(FloorPeer(place, tmp_path), bodies, reference)).orders_per_s)
    ratio = max(rates) / max(floor)
    assert ratio > RATIO_MIN, f"ours {rates}, the floor {floor}, load {os.getloadavg()}"


def test_fields_of_contenders_that_were_not_run_are_null() -> None:
    fields = report.as_object(Findings())
    assert {name for name in FIELDS if fields[name] is None} == FIELDS


def test_latency_is_the_median_of_the_rounds_with_their_spread() -> None:
    found = Findings()
    for p99_ms in (300.0, 200.0, 900.0):
        found.latency[HALF].append(Latency(HALF, 500.0, 5_000, 100.0, 150.0, p99_ms, 2 * p99_ms))
    assert report.as_object(found)["p99_ms_half_load"] == 300
    printed = io.StringIO()
    report.show(Console(file=printed, width=120), found)
    [row] = [line for line in printed.getvalue().splitlines() if "50%" in line]
    assert row.replace("│", " ").split() == ["50%", "500", "100", "150", "300", "200", "900", "1,800"]


def test_a_hot_product_has_exactly_the_stock_of_its_orders() -> None:
    uniform = one_line_world(40)
    hot = hot_world(uniform)
    lines = [line for event in hot.events for line in event["data"]["lines"]]
    [product_id] = {line["product_id"] for line in lines}
    received = [receipt for receipt in hot.population.receipts if receipt.product_id == product_id]
    assert sum(receipt.quantity for receipt in received) == sum(line["quantity"] for line in lines)
    assert len({line["product_id"] for event in uniform.events for line in event["data"]["lines"]}) > 1


def test_each_worker_of_orders_has_the_requested_number_of_processes() -> None:
    for processes in (1, 2, 4):
        assert [groups_of(processes).count((name,)) for name in OF_ORDERS] == [processes] * len(OF_ORDERS)


def test_the_bottleneck_is_the_first_part_beyond_its_limit() -> None:
    costs = Costs({"order_intake": 100.0}, {"rabbitmq": 100.0, "mongodb": 200.0})
    ten, hundred, thousand = predictions(costs, 900)
    assert ten.cores["order_intake"] == pytest.approx(0.9)
    assert (ten.bottleneck, ten.ceiling_per_s) == (None, None)
    assert hundred.bottleneck == "rabbitmq"
    assert hundred.ceiling_per_s == pytest.approx(10_000)
    assert thousand.cores["mongodb"] == pytest.approx(180)
