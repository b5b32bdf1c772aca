"""Products, categories and tags over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from contracts.catalog.v1 import DefineProduct
from tests.api.front import Front, bearer, unique
from tests.api.world import a_world
from tests.connected.running import until

IMAGE = "https://img.example/tea.jpg"


@pytest.fixture
async def admin(front: Front, client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.headers.update(bearer(await front.admin(client)))
    return client


async def created(admin: httpx.AsyncClient, noun: str, **body: Any) -> dict[str, Any]:
    answer = await admin.post(f"/api/{noun}", json=body)
    assert answer.status_code == 201, answer.text
    entity: dict[str, Any] = answer.json()
    number = next(value for name, value in entity.items() if name.endswith("_id"))
    assert answer.headers["location"] == f"/api/{noun}/{number}"
    assert answer.headers["etag"] == '"1"'
    return entity


async def a_product(admin: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    if "category_id" not in body:
        body["category_id"] = (await created(admin, "categories", name="Tea"))["category_id"]
    return await created(admin, "products", **{"name": "Green tea", **body})


async def test_a_product_is_created_read_and_changed(admin: httpx.AsyncClient) -> None:
    category = await created(admin, "categories", name="Tea")
    tag = await created(admin, "tags", name="organic")
    body = {"name": "Green tea", "image_url": IMAGE, "category_id": category["category_id"], "tags": [tag["tag_id"]]}
    product = await created(admin, "products", **body)
    assert product == {**body, "product_id": product["product_id"], "active": True, "version": 1}

    url = f"/api/products/{product['product_id']}"
    read = await admin.get(url)
    assert (read.json(), read.headers["etag"]) == (product, '"1"')
    assert (await admin.get(url, headers={"If-None-Match": '"1"'})).status_code == 304

    changed = await admin.patch(url, json={"name": "Oolong", "image_url": None}, headers={"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert changed.headers["etag"] == '"2"'
    assert changed.json() == {**product, "name": "Oolong", "image_url": None, "version": 2}
    assert (await admin.get(url, headers={"If-None-Match": '"1"'})).json() == changed.json()
    same = await admin.patch(url, json={"name": "Oolong"}, headers={"If-Match": "*"})
    assert (same.status_code, same.json()["version"]) == (200, 2)


async def test_of_concurrent_edits_one_succeeds(front: Front, admin: httpx.AsyncClient) -> None:
    product = await a_product(admin)
    url = f"/api/products/{product['product_id']}"
    edits = [{"name": f"Tea {number}"} for number in range(4)]
    answers = await asyncio.gather(*(admin.patch(url, json=edit, headers={"If-Match": '"1"'}) for edit in edits))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    late = await admin.patch(url, json={"name": "Late"}, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["reason"]) == (412, "outdated")
    blind = await admin.patch(url, json={"name": "Blind"})
    assert (blind.status_code, blind.json()["reason"]) == (428, "precondition_required")
    other = await admin.patch(url, json={"name": "Other"}, headers={"If-Match": '"x"'})
    assert (other.status_code, other.json()["reason"]) == (412, "precondition_failed")
    entries = await front.site.documents("api.audit", {"target": f"product/{product['product_id']}"})
    assert [(entry["action"], entry["after"]["outcome"]) for entry in entries] == [("product.define.v1", "defined")] * 2
    assert entries[1]["before"] == product


async def test_a_repeat_takes_effect_once(admin: httpx.AsyncClient) -> None:
    category = await created(admin, "categories", name="Tea")
    body = {"name": "Sent twice", "category_id": category["category_id"]}
    key = {"Idempotency-Key": unique("key")}
    first, again = [await admin.post("/api/products", json=body, headers=key) for _ in range(2)]
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    other = await admin.post("/api/products", json={**body, "name": "Another"}, headers=key)
    assert (other.status_code, other.json()["reason"]) == (422, "idempotency_key_reused")

    url = first.headers["location"]
    headers = {"Idempotency-Key": unique("key"), "If-Match": '"1"'}
    edits = [await admin.patch(url, json={"name": "Edited twice"}, headers=headers) for _ in range(2)]
    assert [(edit.status_code, edit.json()["version"]) for edit in edits] == [(200, 2)] * 2

    tag = f"/api/tags/{(await created(admin, 'tags', name='once'))['tag_id']}"
    headers = {"Idempotency-Key": unique("key")}
    assert [(await admin.delete(tag, headers=headers)).status_code for _ in range(2)] == [204, 204]
    assert (await admin.delete(tag)).json()["reason"] == "not_defined"


async def test_products_are_found_by_words_and_filters_page_by_page(admin: httpx.AsyncClient) -> None:
    word = unique("w").replace("-", "")
    green, black = [await created(admin, "categories", name=name) for name in ("Green", "Black")]
    tag = await created(admin, "tags", name="organic")
    numbers = []
    for number in range(5):
        one = await a_product(
            admin,
            name=f"{word} {'绿茶' if number % 2 else 'Green'} leaf {number}",
            category_id=(green if number < 3 else black)["category_id"],
            tags=[tag["tag_id"]] if number else [],
            active=number != 4,
        )
        numbers.append(one["product_id"])

    async def found(**query: Any) -> list[int]:
        answer = await admin.get("/api/products", params=query)
        assert answer.status_code == 200, answer.text
        return [numbers.index(item["product_id"]) for item in answer.json()["items"]]

    assert await found(q=word) == [0, 1, 2, 3, 4]
    assert await found(q=f"{word[:-1].upper()} gre") == [0, 2, 4]
    assert await found(q=f"绿茶 {word}") == [1, 3]
    assert await found(q=f"{word} coffee") == []
    assert await found(q="…") == []
    assert await found(category_id=green["category_id"]) == [0, 1, 2]
    assert await found(tag=tag["tag_id"], active=True) == [1, 2, 3]
    assert await found(q=word, category_id=black["category_id"], tag=tag["tag_id"], active=False) == [4]

    seen: list[int] = []
    url: str | None = f"/api/products?q={word}&limit=2"
    while url:
        page = (await admin.get(url)).json()
        seen += [item["product_id"] for item in page["items"]]
        url = page["next"]
    assert seen == numbers


@pytest.mark.parametrize(
    ("collection", "where"),
    [
        ("catalog.products", {}),
        ("catalog.products", {"category_id": 7}),
        ("catalog.products", {"tags": 3}),
        ("catalog.products", {"active": False}),
        ("catalog.products", {"$and": [{"terms": "te"}, {"terms": "gre"}, {"_id": {"$gt": 5}}]}),
        ("catalog.categories", {"removed": False}),
        ("catalog.tags", {"removed": False}),
        ("stock_reservation.items", {"low": True}),
    ],
)
async def test_every_list_is_served_by_an_index(front: Front, collection: str, where: dict[str, Any]) -> None:
    query = {"find": collection, "filter": where, "sort": {"_id": 1}, "limit": 51}
    database = front.site.store._database
    plan = str((await database.command("explain", query, verbosity="queryPlanner"))["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in plan
    assert "COLLSCAN" not in plan
    assert "'SORT'" not in plan


@pytest.mark.parametrize(("noun", "field"), [("categories", "category_id"), ("tags", "tag_id")])
async def test_labels_are_created_renamed_and_removed(admin: httpx.AsyncClient, noun: str, field: str) -> None:
    label = await created(admin, noun, name="First")
    url = f"/api/{noun}/{label[field]}"
    assert (await admin.get(url)).json() == label
    changed = await admin.patch(url, json={"name": "Second"}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.json()) == (200, {**label, "name": "Second", "version": 2})
    late = await admin.patch(url, json={"name": "Third"}, headers={"If-Match": '"1"'})
    assert (late.status_code, late.json()["reason"]) == (412, "outdated")
    assert label[field] in [item[field] for item in await every(admin, noun, field)]

    product = await a_product(
        admin, **({"category_id": label[field]} if noun == "categories" else {"tags": [label[field]]})
    )
    kept = await admin.delete(url)
    assert (kept.status_code, kept.json()["reason"]) == (409, "in_use")
    other = (await created(admin, "categories", name="Other"))["category_id"]
    command: dict[str, Any] = {"category_id": other} if noun == "categories" else {"tags": []}
    moved = await admin.patch(f"/api/products/{product['product_id']}", json=command, headers={"If-Match": '"1"'})
    assert moved.status_code == 200, moved.text

    stale = await admin.delete(url, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["reason"]) == (412, "outdated")
    gone = await admin.delete(url, headers={"If-Match": '"2"' if noun == "categories" else "*"})
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await admin.get(url)).status_code == 404
    assert (await admin.patch(url, json={"name": "Back"})).status_code == 404
    assert label[field] not in [item[field] for item in await every(admin, noun, field)]
    # A number is assigned once.
    assert (await created(admin, noun, name="Next"))[field] > label[field]


async def every(admin: httpx.AsyncClient, noun: str, field: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    url: str | None = f"/api/{noun}?limit=100"
    while url:
        page = (await admin.get(url)).json()
        items += page["items"]
        url = page["next"]
    return items


async def test_invalid_requests_are_refused(admin: httpx.AsyncClient) -> None:
    product = await a_product(admin)
    url, match = f"/api/products/{product['product_id']}", {"If-Match": '"1"'}
    body = {"name": "Tea", "category_id": product["category_id"]}
    nowhere = 2**62
    expected = [
        (await admin.post("/api/products", json={**body, "category_id": nowhere}), 422, "category_unknown"),
        (await admin.post("/api/products", json={**body, "tags": [nowhere]}), 422, "tag_unknown"),
        (await admin.post("/api/products", json={**body, "image_url": "javascript:1"}), 422, "invalid_request"),
        (await admin.post("/api/products", json={**body, "category_id": "07"}), 422, "invalid_request"),
        (await admin.post("/api/products", json={**body, "price": 1}), 422, "invalid_request"),
        (await admin.patch(url, json={"category_id": nowhere}, headers=match), 422, "category_unknown"),
        (await admin.patch(url, json={"tags": [nowhere]}, headers=match), 422, "tag_unknown"),
        (await admin.patch(url, json={"version": 9}, headers=match), 422, "invalid_request"),
        (await admin.patch(f"/api/products/{nowhere}", json={}, headers=match), 404, "not_found"),
        (await admin.get(f"/api/products/{nowhere}"), 404, "not_found"),
        (await admin.get(f"/api/products/{2**63}"), 422, "invalid_request"),
        (await admin.get("/api/products?cursor=abc"), 422, "invalid_cursor"),
        (await admin.get("/api/categories/0"), 422, "invalid_request"),
        (await admin.delete(f"/api/categories/{nowhere}"), 404, "not_defined"),
    ]
    for answer, status, reason in expected:
        assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text


async def test_a_shop_defines_categories_by_message(front: Front, admin: httpx.AsyncClient) -> None:
    category = await created(admin, "categories", name="Tea")
    number, product_id = category["category_id"] + 1000, category["category_id"] + 10**12
    command = {"product_id": product_id, "name": "Cup", "category_id": number}
    await front.send(DefineProduct(category_name="Cups", **command))

    async def known() -> bool:
        return (await admin.get(f"/api/categories/{number}")).status_code == 200

    await until(known, what="the shop's category is there")
    assert (await admin.get(f"/api/categories/{number}")).json()["name"] == "Cups"
    # A number from a message does not move our own numbers.
    assert category["category_id"] < (await created(admin, "categories", name="Next"))["category_id"] < number


async def test_other_roles_may_read_but_not_write(front: Front) -> None:
    world = await a_world(front)
    async with world.as_shop() as shop, world.as_distributor(world.seller) as seller:
        for theirs in (shop, seller):
            for url in ("/api/products", f"/api/products/{world.product_id}", "/api/categories", "/api/tags"):
                assert (await theirs.get(url)).status_code == 200
            for answer in (
                await theirs.post("/api/products", json={"name": "Tea", "category_id": 7}),
                await theirs.patch(f"/api/products/{world.product_id}", json={}),
                await theirs.post("/api/tags", json={"name": "mine"}),
                await theirs.delete("/api/categories/7"),
            ):
                assert (answer.status_code, answer.json()["reason"]) == (403, "insufficient_scope")
