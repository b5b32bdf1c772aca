"""The rules of the catalogue."""

from __future__ import annotations

from contracts.catalog.v1 import DefineProduct, ProductDefined
from contracts.catalog.view import Product
from contracts.decision import Decision
from contracts.envelope import Message
from workers.catalog.model import Catalogue


def define(catalogue: Catalogue, message: Message[DefineProduct]) -> Decision[Catalogue]:
    """Add a product or replace what is known of it; the same definition again changes nothing."""
    wish = message.data
    product = Product(wish.product_id, wish.name, wish.category_id, wish.active, wish.category_name)
    if catalogue.products.get(product.product_id) == product:
        return Decision(catalogue, outcome="unchanged")
    defined = ProductDefined(
        product_id=product.product_id, name=product.name, category_id=product.category_id, active=product.active
    )
    return Decision(catalogue.with_product(product), (defined,), "defined")
