"""Catalogue messages, version 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.envelope import Command, Event
from contracts.fields import CategoryId, Code, Detail, ProductId
from contracts.subjects import OfProduct

Name = Annotated[str, Field(min_length=1, max_length=200, description="As people read it.", examples=["Green tea"])]


class DefineProduct(OfProduct, Command, type="product.define.v1"):
    """Add a product, or replace what is known of it. Orders keep the category they were accepted with."""

    product_id: ProductId
    name: Name
    category_id: CategoryId
    category_name: Annotated[Name | None, Field(examples=["Tea"])] = None
    active: Annotated[bool, Field(description="An inactive product cannot be ordered.")] = True


class ProductDefined(OfProduct, Event, type="product.defined.v1"):
    product_id: ProductId
    name: Name
    category_id: CategoryId
    active: bool


class ProductRefused(OfProduct, Event, type="product.refused.v1"):
    product_id: ProductId
    reason: Code
    detail: Detail
