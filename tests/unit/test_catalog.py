"""Products: a definition replaces the known one, and a repeat changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contracts.catalog.v1 import CategoryDefined, DefineProduct, ProductDefined, ProductRefused
from contracts.catalog.view import Category, Product, Tag
from contracts.wire.decision import Decision
from tests.builders import CUP, CUPS, TEA, TEAS, a_product, message
from workers.catalog.decide import define
from workers.catalog.model import State

ORGANIC, NEW = 31, 32
IMAGE = "https://img.example/tea.jpg"
GREEN_TEA = Product(TEA, "Green tea", TEAS, True)
CATEGORIES = {TEAS: Category(TEAS, "Tea"), CUPS: Category(CUPS, "Cups")}


def command(**fields: Any) -> DefineProduct:
    values: dict[str, Any] = {"product_id": TEA, "name": "Green tea", "category_id": TEAS, **fields}
    return DefineProduct(**values)


def defined(product: Product) -> ProductDefined:
    return ProductDefined(
        product_id=product.product_id,
        name=product.name,
        category_id=product.category_id,
        image_url=product.image_url,
        tags=product.tags,
        active=product.active,
        version=product.version,
    )


def tags(organic: int = 0, new: int = 0) -> dict[int, Tag]:
    return {ORGANIC: Tag(ORGANIC, "organic", products=organic), NEW: Tag(NEW, "new", products=new)}


def a_catalogue(*products: Product, **counts: int) -> State:
    return State({product.product_id: product for product in products}, CATEGORIES, tags(**counts))


def refused(state: State, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (ProductRefused(product_id=TEA, reason=reason, detail=detail),), "refused")


def test_a_product_is_added_to_the_others() -> None:
    state = a_catalogue(a_product(CUP, CUPS))

    assert define(state, message(command())) == Decision(
        state.with_product(GREEN_TEA), (defined(GREEN_TEA),), "defined"
    )


@pytest.mark.parametrize(
    ("fields", "product"),
    [
        ({"name": "Oolong"}, Product(TEA, "Oolong", TEAS, True)),
        ({"category_id": CUPS}, Product(TEA, "Green tea", CUPS, True)),
        ({"category_name": "Tea"}, Product(TEA, "Green tea", TEAS, True, "Tea")),
        ({"active": False}, Product(TEA, "Green tea", TEAS, False)),
        ({"image_url": IMAGE}, Product(TEA, "Green tea", TEAS, True, image_url=IMAGE)),
    ],
)
def test_another_definition_replaces_the_known_one(fields: dict[str, Any], product: Product) -> None:
    decision = define(a_catalogue(GREEN_TEA), message(command(**fields)))

    second = replace(product, version=2)
    assert decision == Decision(a_catalogue(second), (defined(second),), "defined")


def test_a_repeated_definition_changes_nothing() -> None:
    once = define(State(), message(command())).state

    assert define(once, message(command(), id="resent")) == Decision(once, outcome="unchanged")
    assert define(once, message(command(expected_version=0), id="resent")) == Decision(once, outcome="unchanged")


class TestTags:
    def test_each_tag_counts_its_products(self) -> None:
        first = define(a_catalogue(new=4), message(command(tags=[NEW, ORGANIC, NEW]))).state
        assert first == a_catalogue(replace(GREEN_TEA, tags=(ORGANIC, NEW)), organic=1, new=5)

        second = define(first, message(command(tags=[NEW]))).state
        assert second == a_catalogue(replace(GREEN_TEA, tags=(NEW,), version=2), organic=0, new=5)

    def test_the_order_of_tags_does_not_matter(self) -> None:
        once = define(a_catalogue(), message(command(tags=[NEW, ORGANIC]))).state

        assert define(once, message(command(tags=[ORGANIC, NEW]))) == Decision(once, outcome="unchanged")

    def test_an_unknown_tag_is_refused(self) -> None:
        state = a_catalogue().with_tag(Tag(NEW, "new", 2, removed=True))
        detail = "tags: there is no tag 32, 99; define it first."

        assert define(state, message(command(tags=[ORGANIC, NEW, 99]))) == refused(state, "tag_unknown", detail)


class TestCategory:
    @pytest.mark.parametrize(("given", "name"), [("Tea", "Tea"), (None, "Category 7")])
    def test_an_undefined_category_is_defined_by_its_first_product(self, given: str | None, name: str) -> None:
        decision = define(State(), message(command(category_name=given)))

        assert decision.state.categories == {TEAS: Category(TEAS, name)}
        assert decision.publish[1:] == (CategoryDefined(category_id=TEAS, name=name, version=1),)

    @pytest.mark.parametrize(("given", "name"), [("Teas", "Teas"), (None, "Tea")])
    def test_a_removed_category_is_restored(self, given: str | None, name: str) -> None:
        removed = State(categories={TEAS: Category(TEAS, "Tea", 2, removed=True)})
        decision = define(removed, message(command(category_name=given)))

        assert decision.state.categories == {TEAS: Category(TEAS, name, 3)}
        assert decision.publish[1:] == (CategoryDefined(category_id=TEAS, name=name, version=3),)

    def test_a_defined_category_keeps_its_name(self) -> None:
        assert define(a_catalogue(), message(command(category_name="Tees"))).state.categories == CATEGORIES


class TestExpectedVersion:
    def test_the_current_version_may_be_changed(self) -> None:
        changed = define(a_catalogue(GREEN_TEA), message(command(name="Oolong", expected_version=1)))
        assert changed.state.products[TEA].version == 2
        assert define(a_catalogue(), message(command(expected_version=0))).state.products[TEA].version == 1

    @pytest.mark.parametrize("expected", [0, 2])
    def test_an_outdated_version_is_refused(self, expected: int) -> None:
        state = a_catalogue(GREEN_TEA)
        detail = "expected_version: It is at version 1 now; read it again, then decide."

        assert define(state, message(command(name="Oolong", expected_version=expected))) == refused(
            state, "outdated", detail
        )

    def test_a_version_of_a_missing_product_is_refused(self) -> None:
        detail = "expected_version: It does not exist; read it again, then decide."

        assert define(State(), message(command(expected_version=1))) == refused(State(), "outdated", detail)


@pytest.mark.parametrize(
    "url", ["ftp://img.example/a", "javascript:alert(1)", "https://", "https://a b", "//img.example/a", "https://u@h/"]
)
def test_an_image_url_must_be_http(url: str) -> None:
    with pytest.raises(ValueError, match="image_url"):
        command(image_url=url)
