"""Products: a definition replaces what is known, and the same one again changes nothing."""

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
    given: dict[str, Any] = {"product_id": TEA, "name": "Green tea", "category_id": TEAS, **fields}
    return DefineProduct(**given)


def told(product: Product) -> ProductDefined:
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


def test_a_product_is_added_beside_the_others() -> None:
    state = a_catalogue(a_product(CUP, CUPS))

    assert define(state, message(command())) == Decision(state.with_product(GREEN_TEA), (told(GREEN_TEA),), "defined")


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
def test_another_definition_replaces_what_is_known(fields: dict[str, Any], product: Product) -> None:
    decision = define(a_catalogue(GREEN_TEA), message(command(**fields)))

    second = replace(product, version=2)
    assert decision == Decision(a_catalogue(second), (told(second),), "defined")


def test_the_same_definition_again_changes_nothing() -> None:
    once = define(State(), message(command())).state

    assert define(once, message(command(), id="resent")) == Decision(once, outcome="unchanged")
    assert define(once, message(command(expected_version=0), id="resent")) == Decision(once, outcome="unchanged")


class TestTags:
    def test_each_counts_the_products_that_have_it(self) -> None:
        first = define(a_catalogue(new=4), message(command(tags=[NEW, ORGANIC, NEW]))).state
        assert first == a_catalogue(replace(GREEN_TEA, tags=(ORGANIC, NEW)), organic=1, new=5)

        second = define(first, message(command(tags=[NEW]))).state
        assert second == a_catalogue(replace(GREEN_TEA, tags=(NEW,), version=2), organic=0, new=5)

    def test_their_order_makes_no_other_product(self) -> None:
        once = define(a_catalogue(), message(command(tags=[NEW, ORGANIC]))).state

        assert define(once, message(command(tags=[ORGANIC, NEW]))) == Decision(once, outcome="unchanged")

    def test_one_that_is_not_there_is_refused(self) -> None:
        state = a_catalogue().with_tag(Tag(NEW, "new", 2, removed=True))
        detail = "tags: there is no tag 32, 99; define it first."

        assert define(state, message(command(tags=[ORGANIC, NEW, 99]))) == refused(state, "tag_unknown", detail)


class TestCategory:
    @pytest.mark.parametrize(("given", "name"), [("Tea", "Tea"), (None, "Category 7")])
    def test_one_that_nobody_defined_is_defined_by_its_first_product(self, given: str | None, name: str) -> None:
        decision = define(State(), message(command(category_name=given)))

        assert decision.state.categories == {TEAS: Category(TEAS, name)}
        assert decision.publish[1:] == (CategoryDefined(category_id=TEAS, name=name, version=1),)

    @pytest.mark.parametrize(("given", "name"), [("Teas", "Teas"), (None, "Tea")])
    def test_one_that_was_removed_comes_back(self, given: str | None, name: str) -> None:
        gone = State(categories={TEAS: Category(TEAS, "Tea", 2, removed=True)})
        decision = define(gone, message(command(category_name=given)))

        assert decision.state.categories == {TEAS: Category(TEAS, name, 3)}
        assert decision.publish[1:] == (CategoryDefined(category_id=TEAS, name=name, version=3),)

    def test_one_that_is_defined_keeps_its_name(self) -> None:
        assert define(a_catalogue(), message(command(category_name="Tees"))).state.categories == CATEGORIES


class TestExpectedVersion:
    def test_what_was_read_may_be_changed(self) -> None:
        changed = define(a_catalogue(GREEN_TEA), message(command(name="Oolong", expected_version=1)))
        assert changed.state.products[TEA].version == 2
        assert define(a_catalogue(), message(command(expected_version=0))).state.products[TEA].version == 1

    @pytest.mark.parametrize("expected", [0, 2])
    def test_what_has_changed_since_is_refused(self, expected: int) -> None:
        state = a_catalogue(GREEN_TEA)
        detail = "expected_version: It is at version 1 now; read it again, then decide."

        assert define(state, message(command(name="Oolong", expected_version=expected))) == refused(
            state, "outdated", detail
        )

    def test_what_is_not_there_is_refused(self) -> None:
        detail = "expected_version: It does not exist; read it again, then decide."

        assert define(State(), message(command(expected_version=1))) == refused(State(), "outdated", detail)


@pytest.mark.parametrize(
    "url", ["ftp://img.example/a", "javascript:alert(1)", "https://", "https://a b", "//img.example/a", "https://u@h/"]
)
def test_an_image_is_found_by_http(url: str) -> None:
    with pytest.raises(ValueError, match="image_url"):
        command(image_url=url)
