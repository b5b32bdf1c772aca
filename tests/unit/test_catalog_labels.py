"""Categories and tags: defined, renamed, and removed where no product uses them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from contracts.catalog.v1 import (
    CategoryDefined,
    CategoryRefused,
    CategoryRemoved,
    DefineCategory,
    DefineTag,
    ProductRefused,
    RemoveCategory,
    RemoveTag,
    TagDefined,
    TagRefused,
    TagRemoved,
)
from contracts.catalog.view import PRODUCTS, Category, Tag
from contracts.wire.decision import Decision
from contracts.wire.envelope import Payload
from contracts.wire.refusal import Unreadable
from infra.auditing.audit import Read, Report
from tests.builders import NOW, TEA, TEAS, message
from workers.catalog import decide
from workers.catalog.audit import audit
from workers.catalog.model import State

ORGANIC = 31
TEA_CATEGORY = Category(TEAS, "Tea")
ORGANIC_TAG = Tag(ORGANIC, "organic", products=2)
REMOVED_CATEGORY = Category(TEAS, "Tea", 2, removed=True)
REMOVED_TAG = Tag(ORGANIC, "organic", 2, removed=True)


def state_with(*labels: Category | Tag, in_use: frozenset[int] = frozenset()) -> State:
    state = State(in_use=in_use)
    for label in labels:
        state = state.with_category(label) if isinstance(label, Category) else state.with_tag(label)
    return state


def category(name: str = "Tea", **fields: Any) -> DefineCategory:
    return DefineCategory(category_id=TEAS, name=name, **fields)


def tag(name: str = "organic", **fields: Any) -> DefineTag:
    return DefineTag(tag_id=ORGANIC, name=name, **fields)


def category_refused(reason: str, detail: str) -> tuple[Payload, ...]:
    return (CategoryRefused(category_id=TEAS, reason=reason, detail=detail),)


def tag_refused(reason: str, detail: str) -> tuple[Payload, ...]:
    return (TagRefused(tag_id=ORGANIC, reason=reason, detail=detail),)


def now_at(version: int) -> str:
    current = f"It is at version {version} now" if version else "It does not exist"
    return f"expected_version: {current}; read it again, then decide."


class TestCategory:
    @pytest.mark.parametrize(
        ("known", "command", "result"),
        [
            ((), category(), Category(TEAS, "Tea")),
            ((), category(expected_version=0), Category(TEAS, "Tea")),
            ((TEA_CATEGORY,), category("Teas"), Category(TEAS, "Teas", 2)),
            ((TEA_CATEGORY,), category("Teas", expected_version=1), Category(TEAS, "Teas", 2)),
            ((REMOVED_CATEGORY,), category(expected_version=0), Category(TEAS, "Tea", 3)),
        ],
    )
    def test_a_definition_is_stored(self, known: Sequence[Category], command: DefineCategory, result: Category) -> None:
        event = CategoryDefined(category_id=TEAS, name=result.name, version=result.version)

        assert decide.define_category(state_with(*known), message(command)) == Decision(
            state_with(result), (event,), "defined"
        )

    def test_a_repeated_definition_changes_nothing(self) -> None:
        state = state_with(TEA_CATEGORY)

        assert decide.define_category(state, message(category())) == Decision(state, outcome="unchanged")

    @pytest.mark.parametrize(("known", "expected", "version"), [(TEA_CATEGORY, 2, 1), (REMOVED_CATEGORY, 2, 0)])
    def test_an_outdated_version_is_refused(self, known: Category, expected: int, version: int) -> None:
        answer = decide.define_category(state_with(known), message(category("Teas", expected_version=expected)))

        assert answer == Decision(state_with(known), category_refused("outdated", now_at(version)), "refused")

    @pytest.mark.parametrize("expected", [None, 1])
    def test_a_removal_keeps_the_id_and_the_name(self, expected: int | None) -> None:
        answer = decide.remove_category(
            state_with(TEA_CATEGORY), message(RemoveCategory(category_id=TEAS, expected_version=expected))
        )

        assert answer == Decision(state_with(REMOVED_CATEGORY), (CategoryRemoved(category_id=TEAS),), "removed")

    @pytest.mark.parametrize(
        ("state", "expected", "refusal"),
        [
            (state_with(), None, category_refused("not_defined", "There is no category 7.")),
            (state_with(REMOVED_CATEGORY), None, category_refused("not_defined", "There is no category 7.")),
            (state_with(TEA_CATEGORY), 2, category_refused("outdated", now_at(1))),
            (
                state_with(TEA_CATEGORY, in_use=frozenset({TEAS})),
                None,
                category_refused("in_use", "Products are in category 7; move them to another one first."),
            ),
        ],
    )
    def test_a_removal_may_be_refused(self, state: State, expected: int | None, refusal: tuple[Payload, ...]) -> None:
        command = RemoveCategory(category_id=TEAS, expected_version=expected)

        assert decide.remove_category(state, message(command)) == Decision(state, refusal, "refused")


class TestTag:
    @pytest.mark.parametrize(
        ("known", "command", "result"),
        [
            ((), tag(), Tag(ORGANIC, "organic")),
            ((), tag(expected_version=0), Tag(ORGANIC, "organic")),
            ((ORGANIC_TAG,), tag("bio"), Tag(ORGANIC, "bio", 2, products=2)),
            ((ORGANIC_TAG,), tag("bio", expected_version=1), Tag(ORGANIC, "bio", 2, products=2)),
            ((REMOVED_TAG,), tag(expected_version=0), Tag(ORGANIC, "organic", 3)),
        ],
    )
    def test_a_definition_is_stored(self, known: Sequence[Tag], command: DefineTag, result: Tag) -> None:
        event = TagDefined(tag_id=ORGANIC, name=result.name, version=result.version)

        assert decide.define_tag(state_with(*known), message(command)) == Decision(
            state_with(result), (event,), "defined"
        )

    def test_a_repeated_definition_changes_nothing(self) -> None:
        state = state_with(ORGANIC_TAG)

        assert decide.define_tag(state, message(tag())) == Decision(state, outcome="unchanged")

    @pytest.mark.parametrize(("known", "expected", "version"), [(ORGANIC_TAG, 2, 1), (REMOVED_TAG, 2, 0)])
    def test_an_outdated_version_is_refused(self, known: Tag, expected: int, version: int) -> None:
        answer = decide.define_tag(state_with(known), message(tag("bio", expected_version=expected)))

        assert answer == Decision(state_with(known), tag_refused("outdated", now_at(version)), "refused")

    @pytest.mark.parametrize("expected", [None, 1])
    def test_a_removal_keeps_the_id_and_the_name(self, expected: int | None) -> None:
        command = RemoveTag(tag_id=ORGANIC, expected_version=expected)

        assert decide.remove_tag(state_with(replace(ORGANIC_TAG, products=0)), message(command)) == Decision(
            state_with(REMOVED_TAG), (TagRemoved(tag_id=ORGANIC),), "removed"
        )

    @pytest.mark.parametrize(
        ("known", "expected", "refusal"),
        [
            ((), None, tag_refused("not_defined", "There is no tag 31.")),
            ((REMOVED_TAG,), None, tag_refused("not_defined", "There is no tag 31.")),
            ((ORGANIC_TAG,), 2, tag_refused("outdated", now_at(1))),
            ((ORGANIC_TAG,), None, tag_refused("in_use", "2 products have tag 31; remove it from them first.")),
        ],
    )
    def test_a_removal_may_be_refused(
        self, known: Sequence[Tag], expected: int | None, refusal: tuple[Payload, ...]
    ) -> None:
        command = RemoveTag(tag_id=ORGANIC, expected_version=expected)

        assert decide.remove_tag(state_with(*known), message(command)) == Decision(
            state_with(*known), refusal, "refused"
        )


class TestUnreadable:
    DETAIL = "name: Field required"

    def unreadable(self, noun: str, data: dict[str, Any]) -> Payload | None:
        refuse = getattr(decide, f"refuse_unreadable_{noun}")
        answer: Payload | None = refuse(Unreadable("m-1", "any", "missing_field", self.DETAIL, b"{}", data=data))
        return answer

    def test_a_message_with_an_id_is_refused(self) -> None:
        refusal: dict[str, Any] = {"reason": "invalid_message", "detail": self.DETAIL}

        assert self.unreadable("product", {"product_id": TEA, "category_id": TEAS}) == ProductRefused(
            product_id=TEA, **refusal
        )
        assert self.unreadable("category", {"category_id": TEAS}) == CategoryRefused(category_id=TEAS, **refusal)
        assert self.unreadable("tag", {"tag_id": ORGANIC}) == TagRefused(tag_id=ORGANIC, **refusal)

    @pytest.mark.parametrize("noun", ["product", "category", "tag"])
    @pytest.mark.parametrize("number", [None, 0, "31", 2**63])
    def test_a_message_without_an_id_is_dead_lettered(self, noun: str, number: object) -> None:
        assert self.unreadable(noun, {}) is None
        assert self.unreadable(noun, {f"{noun}_id": number}) is None


class Stored:
    """Stored collections for an audit."""

    def __init__(self, products: Sequence[dict[str, Any]], tags: Sequence[dict[str, Any]]) -> None:
        self._products = products
        self._tags = tags

    async def stream(self, collection: str, where: Any, **_: Any) -> AsyncIterator[dict[str, Any]]:
        for document in self._products if collection == PRODUCTS else self._tags:
            yield document


async def audited(products: Sequence[dict[str, Any]], tags: Sequence[dict[str, Any]]) -> Report:
    report = Report(NOW)
    await audit(cast(Read, Stored(products, tags)), report)
    return report


async def test_the_audit_counts_the_products_of_each_tag() -> None:
    products: list[dict[str, Any]] = [{"_id": 1, "tags": [31, 32]}, {"_id": 2, "tags": [31]}, {"_id": 3}]
    good = [{"_id": 31, "products": 2, "removed": False}, {"_id": 32, "products": 1, "removed": False}]
    report = await audited(products, [*good, {"_id": 33, "products": 0, "removed": True}])
    assert (report.figures, report.breach_count) == ({"I4": {"products": 3}}, 0)

    bad = [{"_id": 31, "products": 1, "removed": True}]
    found = {(breach.about, breach.detail) for breach in (await audited(products, bad)).breaches}
    assert found == {
        ("tag/31", "2 products have it, it counts 1"),
        ("tag/31", "it was removed, but products have it"),
        ("tag/32", "1 products have it, but it does not exist"),
    }
