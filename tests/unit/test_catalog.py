"""The catalogue: a definition replaces what is known, and the same one again changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.catalog.v1 import DefineProduct, ProductDefined
from contracts.catalog.view import Product
from contracts.decision import Decision
from tests.builders import CUP, CUPS, TEA, TEAS, a_product, message
from workers.catalog.decide import define
from workers.catalog.model import Catalogue


def wish(**fields: Any) -> DefineProduct:
    given: dict[str, Any] = {"product_id": TEA, "name": "Green tea", "category_id": TEAS, **fields}
    return DefineProduct(**given)


GREEN_TEA = Product(TEA, "Green tea", TEAS, True)


def test_a_product_is_added_beside_the_others() -> None:
    catalogue = Catalogue({CUP: a_product(CUP, CUPS)})
    event = ProductDefined(product_id=TEA, name="Green tea", category_id=TEAS, active=True)

    assert define(catalogue, message(wish())) == Decision(catalogue.with_product(GREEN_TEA), (event,), "defined")


@pytest.mark.parametrize(
    ("fields", "product"),
    [
        ({"name": "Oolong"}, Product(TEA, "Oolong", TEAS, True)),
        ({"category_id": CUPS}, Product(TEA, "Green tea", CUPS, True)),
        ({"category_name": "Tea"}, Product(TEA, "Green tea", TEAS, True, "Tea")),
        ({"active": False}, Product(TEA, "Green tea", TEAS, False)),
    ],
)
def test_another_definition_replaces_what_is_known(fields: dict[str, Any], product: Product) -> None:
    decision = define(Catalogue({TEA: GREEN_TEA}), message(wish(**fields)))

    assert decision.state == Catalogue({TEA: product})
    assert decision.publish == (
        ProductDefined(product_id=TEA, name=product.name, category_id=product.category_id, active=product.active),
    )


def test_the_same_definition_again_changes_nothing() -> None:
    once = define(Catalogue(), message(wish())).state

    assert define(once, message(wish(), id="resent")) == Decision(once, outcome="unchanged")
