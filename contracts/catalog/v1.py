"""Catalogue messages, version 1.

`expected_version` makes a change conditional: it is refused as `outdated` unless the thing has this version, 0 for one
that does not exist.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StrictInt

from contracts.fields import CategoryId, Code, Detail, Id64, ProductId
from contracts.subjects import OfCategory, OfProduct, OfTag
from contracts.wire.envelope import Command, Event, Refusal

TAGS_MAX = 50
"""Tags are for finding a product; one with more of them is found by everything."""

Name = Annotated[str, Field(min_length=1, max_length=200, description="As people read it.", examples=["Green tea"])]
CategoryName = Annotated[Name, Field(examples=["Tea"])]
TagName = Annotated[Name, Field(examples=["organic"])]
TagId = Annotated[Id64, Field(description="The tag, by its number in the catalogue.", examples=[3])]
ImageUrl = Annotated[
    str,
    Field(
        max_length=2000,
        pattern=r"^https?://[^\s\x00-\x1f\x7f-\x9f\ufeff/?#@]+([/?#][^\s\x00-\x1f\x7f-\x9f\ufeff]*)?$",
        description="Where a picture of it is found, by http or https.",
        examples=["https://img.example/green-tea.jpg"],
    ),
]
Version = Annotated[StrictInt, Field(description="Grows by one with each change.", examples=[1])]
ExpectedVersion = Annotated[
    Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)] | None,
    Field(description="The version that is changed; 0 for what must not exist yet.", examples=[1]),
]


def _each_once(tags: tuple[int, ...]) -> tuple[int, ...]:
    """Tags are a set: neither order nor repetition makes another product of it."""
    return tuple(sorted(set(tags)))


Tags = Annotated[
    tuple[TagId, ...],
    Field(max_length=TAGS_MAX, description="The tags it has; each must be defined.", examples=[[3]]),
    AfterValidator(_each_once),
]


class DefineProduct(OfProduct, Command, type="product.define.v1"):
    """Add a product, or replace what is known of it. Orders keep the category they were accepted with.

    A category that nobody has defined yet is defined by this, with `category_name`; one that is keeps its name.
    """

    product_id: ProductId
    name: Name
    category_id: CategoryId
    category_name: CategoryName | None = None
    image_url: ImageUrl | None = None
    tags: Tags = ()
    active: Annotated[StrictBool, Field(description="An inactive product cannot be ordered.")] = True
    expected_version: ExpectedVersion = None


class ProductDefined(OfProduct, Event, type="product.defined.v1"):
    product_id: ProductId
    name: Name
    category_id: CategoryId
    image_url: ImageUrl | None = None
    tags: Tags = ()
    active: StrictBool
    version: Version = 1


class ProductRefused(OfProduct, Refusal, type="product.refused.v1"):
    product_id: ProductId
    reason: Code
    detail: Detail


class DefineCategory(OfCategory, Command, type="category.define.v1"):
    """Add a category, or give it another name."""

    category_id: CategoryId
    name: CategoryName
    expected_version: ExpectedVersion = None


class RemoveCategory(OfCategory, Command, type="category.remove.v1"):
    """Take a category out that no product is in; otherwise it is refused as `in_use`. Its number is not given again."""

    category_id: CategoryId
    expected_version: ExpectedVersion = None


class CategoryDefined(OfCategory, Event, type="category.defined.v1"):
    category_id: CategoryId
    name: CategoryName
    version: Version


class CategoryRemoved(OfCategory, Event, type="category.removed.v1"):
    category_id: CategoryId


class CategoryRefused(OfCategory, Refusal, type="category.refused.v1"):
    category_id: CategoryId
    reason: Code
    detail: Detail


class DefineTag(OfTag, Command, type="tag.define.v1"):
    """Add a tag, or give it another name."""

    tag_id: TagId
    name: TagName
    expected_version: ExpectedVersion = None


class RemoveTag(OfTag, Command, type="tag.remove.v1"):
    """Take a tag out that no product has; otherwise it is refused as `in_use`. Its number is not given again."""

    tag_id: TagId
    expected_version: ExpectedVersion = None


class TagDefined(OfTag, Event, type="tag.defined.v1"):
    tag_id: TagId
    name: TagName
    version: Version


class TagRemoved(OfTag, Event, type="tag.removed.v1"):
    tag_id: TagId


class TagRefused(OfTag, Refusal, type="tag.refused.v1"):
    tag_id: TagId
    reason: Code
    detail: Detail
