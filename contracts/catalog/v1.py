"""Catalogue messages, version 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.envelope import Command, Event
from contracts.fields import Code, Id64
from contracts.subjects import OfProduct

Name = Annotated[str, Field(min_length=1, max_length=200)]


class DefineProduct(OfProduct, Command, type="product.define.v1"):
    """Add a product, or replace what is known of it. Orders keep the category they were accepted with."""

    product_id: Id64
    name: Name
    category_id: Id64
    category_name: Name | None = None
    active: bool = True


class ProductDefined(OfProduct, Event, type="product.defined.v1"):
    product_id: Id64
    name: Name
    category_id: Id64
    active: bool


class ProductRefused(OfProduct, Event, type="product.refused.v1"):
    product_id: Id64
    reason: Code
    detail: str
