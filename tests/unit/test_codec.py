"""How an entity becomes a document, and which fields are written when the entity has changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from infra.ports.store import Change, Document
from infra.runtime.repository import Codec
from tests.workflow.documents import changed

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class Thing:
    key: str
    color: str
    parts: tuple[Part, ...] = ()
    sold_at: datetime | None = None


def by_color(thing: Thing) -> Document:
    return {"found_by": [f"color/{thing.color}"]}


CODEC = Codec(Thing, key="key", derived=by_color)
RED = Thing("a", "red", (Part("lid", 1),))


def test_absent_values_are_left_out_and_derived_fields_are_added() -> None:
    assert CODEC.to_document(RED) == {
        "_id": "a",
        "color": "red",
        "parts": ({"name": "lid", "count": 1},),
        "found_by": ["color/red"],
    }
    assert CODEC.to_entity(CODEC.to_document(RED)) == RED


def test_unchanged_fields_and_their_derived_fields_are_not_written() -> None:
    assert CODEC.to_change(RED, replace(RED, sold_at=NOON)) == Change("a", {"sold_at": NOON})


def test_fields_derived_from_a_changed_field_are_written_with_it() -> None:
    assert CODEC.to_change(RED, replace(RED, color="blue")) == Change(
        "a", {"color": "blue", "found_by": ["color/blue"]}
    )


def test_a_value_that_became_absent_is_removed() -> None:
    assert CODEC.to_change(replace(RED, sold_at=NOON), RED) == Change("a", {}, ("sold_at",))


def test_an_equal_entity_is_not_written() -> None:
    assert CODEC.to_change(RED, replace(RED, parts=(Part("lid", 1),))) is None


things: Any = st.builds(
    Thing,
    key=st.just("a"),
    color=st.sampled_from(["red", "blue"]),
    parts=st.lists(st.builds(Part, st.sampled_from("xy"), st.integers(0, 2)), max_size=2).map(tuple),
    sold_at=st.sampled_from([None, NOON]),
)


@given(before=things, after=things)
def test_the_changed_document_equals_that_of_the_changed_entity(before: Thing, after: Thing) -> None:
    change = CODEC.to_change(before, after)
    stored = CODEC.to_document(before)

    assert (stored if change is None else changed(stored, change)) == CODEC.to_document(after)
