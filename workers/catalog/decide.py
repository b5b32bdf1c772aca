"""The rules of the catalogue."""

from __future__ import annotations

from dataclasses import replace

from contracts.catalog.v1 import (
    CategoryDefined,
    CategoryRefused,
    CategoryRemoved,
    DefineCategory,
    DefineProduct,
    DefineTag,
    ProductDefined,
    ProductRefused,
    RemoveCategory,
    RemoveTag,
    TagDefined,
    TagRefused,
    TagRemoved,
)
from contracts.catalog.view import Category, Product, Tag
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message, Payload
from contracts.wire.refusal import Refusing
from workers.catalog.model import State

refuse_unreadable_product = Refusing[DefineProduct](ProductRefused, "product_id")
refuse_unreadable_category = Refusing[DefineCategory | RemoveCategory](CategoryRefused, "category_id")
refuse_unreadable_tag = Refusing[DefineTag | RemoveTag](TagRefused, "tag_id")

Answer = Decision[State]


def define(state: State, message: Message[DefineProduct]) -> Answer:
    """Add a product or replace its data; the same definition again changes nothing.

    Its tags must exist. Its category need not, since some shops only know its number and name: then this defines it.
    """
    command = message.data
    known = state.products.get(command.product_id)
    version = known.version if known else 0
    product = Product(
        product_id=command.product_id,
        name=command.name,
        category_id=command.category_id,
        active=command.active,
        category_name=command.category_name,
        image_url=command.image_url,
        tags=command.tags,
        version=version,
    )
    if known == product:
        return Decision(state, outcome="unchanged")
    if _is_outdated(command.expected_version, version):
        return _refuse(
            state, ProductRefused(product_id=command.product_id, reason="outdated", detail=_outdated(version))
        )
    if unknown := state.lacks(command.tags):
        detail = f"tags: there is no tag {', '.join(map(str, unknown))}; define it first."
        return _refuse(state, ProductRefused(product_id=command.product_id, reason="tag_unknown", detail=detail))
    product = replace(product, version=version + 1)
    after = state.with_product(product).retag(known.tags if known else (), product.tags)
    defined = ProductDefined(
        product_id=product.product_id,
        name=product.name,
        category_id=product.category_id,
        image_url=product.image_url,
        tags=product.tags,
        active=product.active,
        version=product.version,
    )
    category = _category_named_by(command, state.categories.get(command.category_id))
    if category is None:
        return Decision(after, (defined,), "defined")
    return Decision(after.with_category(category), (defined, _event_of(category)), "defined")


def define_category(state: State, message: Message[DefineCategory]) -> Answer:
    """Add a category, or rename it."""
    command = message.data
    known = state.categories.get(command.category_id)
    category = Category(command.category_id, command.name, known.version if known else 0)
    if known == category:
        return Decision(state, outcome="unchanged")
    if _is_outdated(command.expected_version, now := _version_of(known)):
        return _refuse(
            state, CategoryRefused(category_id=command.category_id, reason="outdated", detail=_outdated(now))
        )
    category = replace(category, version=category.version + 1)
    return Decision(state.with_category(category), (_event_of(category),), "defined")


def remove_category(state: State, message: Message[RemoveCategory]) -> Answer:
    """Remove a category without products.

    A product added to it at the same moment is then in an undefined category, which is allowed; the product's next
    definition defines it.
    """
    command = message.data
    known = state.categories.get(command.category_id)
    if known is None or known.removed:
        detail = f"There is no category {command.category_id}."
        return _refuse(state, CategoryRefused(category_id=command.category_id, reason="not_defined", detail=detail))
    if _is_outdated(command.expected_version, known.version):
        detail = _outdated(known.version)
        return _refuse(state, CategoryRefused(category_id=command.category_id, reason="outdated", detail=detail))
    if command.category_id in state.in_use:
        detail = f"Products are in category {command.category_id}; move them to another one first."
        return _refuse(state, CategoryRefused(category_id=command.category_id, reason="in_use", detail=detail))
    after = state.with_category(replace(known, removed=True, version=known.version + 1))
    return Decision(after, (CategoryRemoved(category_id=command.category_id),), "removed")


def define_tag(state: State, message: Message[DefineTag]) -> Answer:
    """Add a tag, or rename it."""
    command = message.data
    known = state.tags.get(command.tag_id)
    tag = replace(known, name=command.name, removed=False) if known else Tag(command.tag_id, command.name, 0)
    if known == tag:
        return Decision(state, outcome="unchanged")
    if _is_outdated(command.expected_version, now := _version_of(known)):
        return _refuse(state, TagRefused(tag_id=command.tag_id, reason="outdated", detail=_outdated(now)))
    tag = replace(tag, version=tag.version + 1)
    defined = TagDefined(tag_id=tag.tag_id, name=tag.name, version=tag.version)
    return Decision(state.with_tag(tag), (defined,), "defined")


def remove_tag(state: State, message: Message[RemoveTag]) -> Answer:
    """Remove a tag without products. The tag counts its products; each product's definition updates the count."""
    command = message.data
    known = state.tags.get(command.tag_id)
    if known is None or known.removed:
        detail = f"There is no tag {command.tag_id}."
        return _refuse(state, TagRefused(tag_id=command.tag_id, reason="not_defined", detail=detail))
    if _is_outdated(command.expected_version, known.version):
        return _refuse(state, TagRefused(tag_id=command.tag_id, reason="outdated", detail=_outdated(known.version)))
    if known.products:
        detail = f"{known.products} products have tag {command.tag_id}; remove it from them first."
        return _refuse(state, TagRefused(tag_id=command.tag_id, reason="in_use", detail=detail))
    after = state.with_tag(replace(known, removed=True, version=known.version + 1))
    return Decision(after, (TagRemoved(tag_id=command.tag_id),), "removed")


def _category_named_by(command: DefineProduct, known: Category | None) -> Category | None:
    """The category that the product's definition adds; None if it exists already."""
    if known is None:
        return Category(command.category_id, command.category_name or f"Category {command.category_id}")
    if known.removed:
        return replace(known, name=command.category_name or known.name, removed=False, version=known.version + 1)
    return None


def _event_of(category: Category) -> CategoryDefined:
    return CategoryDefined(category_id=category.category_id, name=category.name, version=category.version)


def _version_of(known: Category | Tag | None) -> int:
    """The version for `expected_version`: 0 for removed ones too."""
    return known.version if known is not None and not known.removed else 0


def _is_outdated(expected: int | None, version: int) -> bool:
    return expected is not None and expected != version


def _outdated(version: int) -> str:
    now = f"It is at version {version} now" if version else "It does not exist"
    return f"expected_version: {now}; read it again, then decide."


def _refuse(state: State, refused: Payload) -> Answer:
    return Decision(state, (refused,), "refused")
