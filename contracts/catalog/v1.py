"""Catalogue messages, version 1.

`expected_version` makes a change conditional: it is refused as `outdated` unless the entity has this version, 0 for one
that does not exist.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StrictInt

from contracts.fields import CategoryId, Code, Detail, Id64, ProductId, visible_address, visible_name
from contracts.subjects import OfCategory, OfProduct, OfTag
from contracts.wire.envelope import Command, Event, Refusal

TAGS_MAX = 50
"""Tags are for search; a product with more of them would be found by every search."""

AnyName = Annotated[
    str, Field(min_length=1, max_length=200, description="The name that people see.", examples=["Green tea"])
]
"""A name of an event: it may have been given before names had to be visible."""

AnyCategoryName = Annotated[AnyName, Field(examples=["Tea"])]
AnyTagName = Annotated[AnyName, Field(examples=["organic"])]
Name = Annotated[AnyName, AfterValidator(visible_name)]
"""A name that a command may give."""

CategoryName = Annotated[AnyCategoryName, AfterValidator(visible_name)]
TagName = Annotated[AnyTagName, AfterValidator(visible_name)]
TagId = Annotated[Id64, Field(description="The tag, by its number in the catalogue.", examples=[3])]
AnyImageUrl = Annotated[
    str,
    Field(
        max_length=2000,
        pattern=r"^https?://[^\s\x00-\x1f\x7f-\x9f\ufeff/?#@]+([/?#][^\s\x00-\x1f\x7f-\x9f\ufeff]*)?$",
        description="The URL of a picture of it, http or https.",
        examples=["https://img.example/green-tea.jpg"],
    ),
]
ImageUrl = Annotated[AnyImageUrl, AfterValidator(visible_address)]
Version = Annotated[StrictInt, Field(description="Grows by one with each change.", examples=[1])]
ExpectedVersion = Annotated[
    Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)] | None,
    Field(description="The version that the change is based on; 0 if it must not exist yet.", examples=[1]),
]


def _each_once(tags: tuple[int, ...]) -> tuple[int, ...]:
    """Tags are a set: their order and repetition do not matter."""
    return tuple(sorted(set(tags)))


Tags = Annotated[
    tuple[TagId, ...],
    Field(max_length=TAGS_MAX, description="The tags it has; each must be defined.", examples=[[3]]),
    AfterValidator(_each_once),
]


class DefineProduct(OfProduct, Command, type="product.define.v1"):
    """Add a product, or replace its data. Orders keep the category they were accepted with.

    A category that does not exist yet is defined by this, with `category_name`; an existing one keeps its name.
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
    name: AnyName
    category_id: CategoryId
    image_url: AnyImageUrl | None = None
    tags: Tags = ()
    active: StrictBool
    version: Version = 1


class ProductRefused(OfProduct, Refusal, type="product.refused.v1"):
    product_id: ProductId
    reason: Code
    detail: Detail


class DefineCategory(OfCategory, Command, type="category.define.v1"):
    """Add a category, or rename it."""

    category_id: CategoryId
    name: CategoryName
    expected_version: ExpectedVersion = None


class RemoveCategory(OfCategory, Command, type="category.remove.v1"):
    """Remove a category without products; otherwise it is refused as `in_use`. Its number is not used again."""

    category_id: CategoryId
    expected_version: ExpectedVersion = None


class CategoryDefined(OfCategory, Event, type="category.defined.v1"):
    category_id: CategoryId
    name: AnyCategoryName
    version: Version


class CategoryRemoved(OfCategory, Event, type="category.removed.v1"):
    category_id: CategoryId


class CategoryRefused(OfCategory, Refusal, type="category.refused.v1"):
    category_id: CategoryId
    reason: Code
    detail: Detail


class DefineTag(OfTag, Command, type="tag.define.v1"):
    """Add a tag, or rename it."""

    tag_id: TagId
    name: TagName
    expected_version: ExpectedVersion = None


class RemoveTag(OfTag, Command, type="tag.remove.v1"):
    """Remove a tag without products; otherwise it is refused as `in_use`. Its number is not used again."""

    tag_id: TagId
    expected_version: ExpectedVersion = None


class TagDefined(OfTag, Event, type="tag.defined.v1"):
    tag_id: TagId
    name: AnyTagName
    version: Version


class TagRemoved(OfTag, Event, type="tag.removed.v1"):
    tag_id: TagId


class TagRefused(OfTag, Refusal, type="tag.refused.v1"):
    tag_id: TagId
    reason: Code
    detail: Detail
