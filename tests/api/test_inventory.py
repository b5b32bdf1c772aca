"""Stock over HTTP: counts, figures, and many corrections at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.api.front import Front, bearer, unique
from tests.api.world import World, a_world
from tests.connected.running import until

CSV = {"Content-Type": "text/csv; charset=utf-8"}


@pytest.fixture
async def admin(front: Front, client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.headers.update(bearer(await front.admin(client)))
    return client


async def products(admin: httpx.AsyncClient, count: int = 1) -> list[int]:
    category = (await admin.post("/api/categories", json={"name": "Tea"})).json()["category_id"]
    made = [await admin.post("/api/products", json={"name": "Tea", "category_id": category}) for _ in range(count)]
    return [one.json()["product_id"] for one in made]


async def on_shelf(admin: httpx.AsyncClient, product_id: int, stock: int, **fields: Any) -> dict[str, Any]:
    answer = await admin.put(f"/api/inventory/{product_id}", json={"stock": stock, **fields})
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def stocked(front: Front, admin: httpx.AsyncClient, stock: int) -> World:
    """A world with its first receipt booked."""
    world = await a_world(front, stock=stock)

    async def there() -> bool:
        return bool((await admin.get(f"/api/inventory/{world.product_id}")).json()["on_hand"] == stock)

    await until(there, what="the stock is there")
    return world


async def test_stock_is_set_by_lot_and_shown(admin: httpx.AsyncClient) -> None:
    [product_id] = await products(admin)
    url = f"/api/inventory/{product_id}"
    empty = {"on_hand": 0, "reserved": 0, "available": 0}
    none = (await admin.get(url)).json()
    assert none == {
        **empty,
        "product_id": product_id,
        "sellable": 0,
        "short": 0,
        "low": False,
        "low_at": 0,
        "recovered_at": 0,
        "zone": "UTC",
        "lots": [],
    }

    await on_shelf(admin, product_id, 100, batch_id="b", expiry_date="2999-03-31")
    shown = await on_shelf(admin, product_id, 20, batch_id="a", expiry_date="2020-01-01")
    lots = [
        {
            "batch_id": "a",
            "expiry_date": "2020-01-01",
            "sellable": False,
            "on_hand": 20,
            "reserved": 0,
            "available": 20,
        },
        {
            "batch_id": "b",
            "expiry_date": "2999-03-31",
            "sellable": True,
            "on_hand": 100,
            "reserved": 0,
            "available": 100,
        },
    ]
    assert shown == {**none, "on_hand": 120, "available": 120, "sellable": 100, "lots": lots}
    read = await admin.get(url)
    assert read.json() == shown
    assert (await admin.get(url, headers={"If-None-Match": read.headers["etag"]})).status_code == 304

    # The same count changes nothing; a lower count and another expiry date are applied.
    assert await on_shelf(admin, product_id, 100, batch_id="b") == shown
    assert (await on_shelf(admin, product_id, 7, batch_id="b"))["on_hand"] == 27
    assert (await on_shelf(admin, product_id, 20, batch_id="a", expiry_date="2999-01-01"))["sellable"] == 27
    listed = (await admin.get("/api/inventory", params={"low": False, "limit": 200})).json()["items"]
    assert product_id in [item["product_id"] for item in listed]


async def test_concurrent_counts_end_at_one_of_them(front: Front, admin: httpx.AsyncClient) -> None:
    [product_id] = await products(admin)
    found = await asyncio.gather(*(on_shelf(admin, product_id, stock) for stock in (5, 50, 500, 5000)))
    last = (await admin.get(f"/api/inventory/{product_id}")).json()["on_hand"]
    assert last in (5, 50, 500, 5000)
    assert {5, 50, 500, 5000} >= {each["on_hand"] for each in found}
    [item] = await front.site.documents("stock_reservation.items", {"_id": product_id})
    booked = await front.site.documents("stock_reservation.bookings", {"product_id": product_id})
    assert item["adjusted"] == sum(booking["delta"] for booking in booked) == last


async def test_a_count_below_the_reservations_cancels_unpaid_orders_and_shows_the_shortage(
    front: Front, admin: httpx.AsyncClient
) -> None:
    world = await stocked(front, admin, stock=10)
    orders = [await world.placed(admin, quantity=4) for _ in range(2)]
    for order in orders:
        await world.reserved(order["order_id"])
    paid = await admin.patch(f"/api/orders/{world.shop_id}/{orders[0]['order_id']}", json={"status": "paid"})
    assert paid.status_code == 200, paid.text
    await on_shelf(admin, world.product_id, 3)

    async def ended() -> bool:
        return (await admin.get(f"/api/inventory/{world.product_id}")).json()["reserved"] == 4

    await until(ended, what="the unpaid order has ended")
    stock = (await admin.get(f"/api/inventory/{world.product_id}")).json()
    assert (stock["on_hand"], stock["available"], stock["sellable"], stock["short"]) == (3, 0, 0, 1)
    listed = (await admin.get("/api/inventory", params={"short": True, "limit": 200})).json()["items"]
    assert world.product_id in [item["product_id"] for item in listed]
    lines = [{"product_id": world.product_id, "delta": -1}]
    [line] = (await admin.post("/api/inventory/adjustments", json=lines)).json()["results"]
    assert (line["status"], line["on_hand"], line["short"]) == ("done", 2, 2)

    assert (await on_shelf(admin, world.product_id, 4))["short"] == 0
    listed = (await admin.get("/api/inventory", params={"short": True, "limit": 200})).json()["items"]
    assert world.product_id not in [item["product_id"] for item in listed]


async def test_a_repeated_count_is_applied_once(admin: httpx.AsyncClient) -> None:
    [product_id] = await products(admin)
    url, key = f"/api/inventory/{product_id}", {"Idempotency-Key": unique("count")}
    assert (await admin.put(url, json={"stock": 9}, headers=key)).json()["on_hand"] == 9
    await on_shelf(admin, product_id, 12)
    again = await admin.put(url, json={"stock": 9}, headers=key)
    assert (again.status_code, again.json()["on_hand"]) == (200, 12)
    waits = await admin.put(url, json={"stock": 1}, headers={"Prefer": "respond-async"})
    assert (waits.status_code, waits.headers["preference-applied"]) == (202, "respond-async")


async def test_each_line_of_a_list_gets_its_result(front: Front, admin: httpx.AsyncClient) -> None:
    one, two, three = await products(admin, 3)
    await on_shelf(admin, one, 10)
    lines: list[Any] = [
        {"product_id": one, "delta": -3, "reference": unique("ref")},
        {"product_id": two, "stock": 5, "batch_id": "x", "expiry_date": "2999-03-31"},
        {"product_id": one, "delta": -1},
        {"product_id": three, "delta": -1},
        {"product_id": three, "batch_id": "y", "delta": 1, "stock": 1},
        {"product_id": 2**62, "delta": 1},
        {"product_id": three, "batch_id": "z", "stock": 0},
        "no object",
    ]
    key = {"Idempotency-Key": unique("lines")}
    answer = await admin.post("/api/inventory/adjustments", json=lines, headers=key)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [(result["line"], result["status"], result["reason"]) for result in results] == [
        (1, "done", None),
        (2, "done", None),
        (3, "invalid", "repeated_line"),
        (4, "refused", "below_zero"),
        (5, "invalid", "invalid_request"),
        (6, "invalid", "product_unknown"),
        (7, "unchanged", None),
        (8, "invalid", "invalid_request"),
    ]
    assert answer.json()["counts"] == {"done": 2, "invalid": 4, "refused": 1, "unchanged": 1}
    assert (results[0]["on_hand"], results[0]["available"]) == (7, 7)
    assert "either delta or stock" in results[4]["errors"][0]["detail"]
    entries = await front.site.documents("api.audit", {"target": f"product/{one}", "action": "stock.adjust.v1"})
    assert len(entries) == 1

    again = await admin.post("/api/inventory/adjustments", json=lines, headers=key)
    assert [result["status"] for result in again.json()["results"]] == [result["status"] for result in results]
    # A line with the same reference counts once, even in another list.
    await admin.post("/api/inventory/adjustments", json=lines[:1])
    assert (await admin.get(f"/api/inventory/{one}")).json()["on_hand"] == 7


async def test_a_csv_file_gets_the_same_results(admin: httpx.AsyncClient) -> None:
    one, two = await products(admin, 2)
    text = (
        "\ufeffdelta, product_id,batch_id,stock,expiry_date\r\n"
        f"5,{one},,,\r\n\r\n"
        f',{two},"lot-1",120,2999-03-31\r\n'
        f"x,{two},,,\r\n"
        f"1,{two},,,,more\r\n"
    )
    answer = await admin.post("/api/inventory/adjustments", content=text.encode(), headers=CSV)
    assert answer.status_code == 200, answer.text
    assert [result["status"] for result in answer.json()["results"]] == ["done", "done", "invalid", "invalid"]
    assert (await admin.get(f"/api/inventory/{one}")).json()["on_hand"] == 5
    [lot] = (await admin.get(f"/api/inventory/{two}")).json()["lots"]
    assert (lot["batch_id"], lot["expiry_date"], lot["on_hand"]) == ("lot-1", "2999-03-31", 120)


async def test_a_list_is_applied_up_to_the_limit_of_lines(admin: httpx.AsyncClient) -> None:
    [product_id] = await products(admin)
    lines = [{"product_id": product_id, "batch_id": f"lot-{number}", "delta": 1} for number in range(500)]
    answer = await admin.post("/api/inventory/adjustments", json=lines, headers={"Prefer": "wait=10"})
    assert answer.json()["counts"] == {"done": 500}
    assert answer.headers["preference-applied"] == "wait=10"
    assert (await admin.get(f"/api/inventory/{product_id}")).json()["on_hand"] == 500
    longer = await admin.post("/api/inventory/adjustments", json=[*lines, lines[0]])
    assert (longer.status_code, longer.json()["reason"]) == (422, "too_many_lines")
    waits = await admin.post("/api/inventory/adjustments", json=lines[:1], headers={"Prefer": "respond-async"})
    [result] = waits.json()["results"]
    assert (result["status"], result["status_url"].startswith("/api/messages/")) == ("accepted", True)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "reason"),
    [
        (b"[]", "application/json", 422, "invalid_request"),
        (b"{}", "application/json", 422, "invalid_request"),
        (b"[", "application/json", 400, "malformed_request"),
        (b"[" * 10_000, "application/json", 400, "malformed_request"),
        (rb'[{"\ud800": 1}]', "application/json", 400, "malformed_request"),
        (b"", "text/csv", 422, "invalid_request"),
        (b"product_id,delta\n", "text/csv", 422, "invalid_request"),
        (b"product,delta\n1,1\n", "text/csv", 422, "invalid_request"),
        (b"product_id,delta\n\xff,1\n", "text/csv", 400, "malformed_request"),
        (b'product_id,delta\n"1,1\n', "text/csv", 400, "malformed_request"),
        (b"product_id,delta\n" + b"1,1\n" * 501, "text/csv", 422, "too_many_lines"),
        (b"<lines/>", "application/xml", 415, "unsupported_media_type"),
        (b"[" + b" " * 2_000_000 + b"]", "application/json", 413, "body_too_large"),
    ],
)
async def test_unreadable_lines_are_refused(
    admin: httpx.AsyncClient, body: bytes, content_type: str, status: int, reason: str
) -> None:
    answer = await admin.post("/api/inventory/adjustments", content=body, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text


async def test_a_file_is_read_as_a_spreadsheet_saved_it(admin: httpx.AsyncClient) -> None:
    [product_id] = await products(admin)
    heading = "Product ID;Batch ID;Stock;Expiry date;;"
    texts = [f"{heading}\r\n{product_id};lot-1;{stock};2027/3/31;;\r\n" for stock in (5, 10, 15, 20)]
    url = "/api/inventory/adjustments"
    files = [
        (texts[0].encode("utf-16"), "text/csv"),
        (("sep=;\n" + texts[1]).encode("gbk"), "text/csv; charset=gbk"),
        (texts[2].encode("utf-8-sig"), "application/vnd.ms-excel"),
        (texts[3].encode(), "application/octet-stream"),
    ]
    for number, (body, kind) in enumerate(files, start=1):
        answer = await admin.post(url, files={"file": ("count.csv", body, kind)})
        assert (answer.status_code, answer.json()["counts"]) == (200, {"done": 1}), answer.text
        assert answer.json()["results"][0]["on_hand"] == 5 * number
    [lot] = (await admin.get(f"/api/inventory/{product_id}")).json()["lots"]
    assert lot["expiry_date"] == "2027-03-31"
    body = f"product_id,delta\n{product_id},1\n".encode("utf-16")
    assert (await admin.post(url, content=body, headers={"Content-Type": "text/csv"})).json()["counts"] == {"done": 1}
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    for answer, status, reason in (
        (await admin.post(url, data={"note": "no file"}, files=[]), 415, "unsupported_media_type"),
        (await admin.post(url, content=b"--x--", headers=boundary), 422, "invalid_request"),
        (await admin.post(url, content=b"--y\r\n", headers=boundary), 400, "malformed_request"),
        (await admin.post(url, content=b"", headers={"Content-Type": "multipart/form-data"}), 400, "malformed_request"),
        (await admin.post(url, files={"file": ("a.csv", b" " * 2_000_000, "text/csv")}), 413, "body_too_large"),
        (await admin.post(url, files=[("f", ("a.csv", b"x")), ("f", ("b.csv", b"y"))]), 400, "malformed_request"),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text


async def test_invalid_requests_are_refused(admin: httpx.AsyncClient) -> None:
    [product_id] = await products(admin)
    url = f"/api/inventory/{product_id}"
    expected = [
        (await admin.put(f"/api/inventory/{2**62}", json={"stock": 1}), 404, "not_found"),
        (await admin.get(f"/api/inventory/{2**62}"), 404, "not_found"),
        (await admin.put(url, json={"stock": -1}), 422, "invalid_request"),
        (await admin.put(url, json={"stock": 1, "expiry_date": "2027-02-30"}), 422, "inconsistent_request"),
        (await admin.put(url, json={"stock": 1, "batch_id": "a b"}), 422, "invalid_request"),
        (await admin.put(url, content=json.dumps({"stock": "1"})), 422, "invalid_request"),
    ]
    for answer, status, reason in expected:
        assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text


async def test_other_roles_may_read_but_not_write(front: Front, admin: httpx.AsyncClient) -> None:
    world = await stocked(front, admin, stock=10)
    url = f"/api/inventory/{world.product_id}"
    async with world.as_shop() as shop, world.as_distributor(world.seller) as seller:
        for theirs in (shop, seller):
            assert (await theirs.get(url)).json()["available"] == 10
            for answer in (
                await theirs.put(url, json={"stock": 99}),
                await theirs.post("/api/inventory/adjustments", json=[]),
            ):
                assert (answer.status_code, answer.json()["reason"]) == (403, "insufficient_scope")
