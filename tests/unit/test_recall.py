"""Which redelivered bare body was handled before, by what the journal has of the thing that it sets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contracts.wire.reading import BARE_SOURCE
from infra.ports.store import Document
from infra.runtime.fold import Work
from infra.runtime.journal import Handled
from infra.runtime.recall import Recalled, recall, returning, subjects_of
from tests.builders import ORDER, SHOP, after_sale, message

ABOUT = f"order/{SHOP}/{ORDER}"
TYPE = "order.after-sale.v1"
AGAIN = 0xA
"""The moment at which something is delivered again."""


def work(content: str, *, way: Any = "content", moment: int = AGAIN) -> Work:
    """A redelivered bare body of this content, named after the moment of its delivery."""
    item = message(after_sale(content == "open")).model_copy(
        update={"id": f"{content}.{moment:x}", "source": BARE_SOURCE}
    )
    return Work(item, redelivered=True, recalled_by=way)


def named(name: str) -> Any:
    return work("open").item.model_copy(update={"id": name})  # type: ignore[union-attr]


def key(name: str) -> str:
    return f"{BARE_SOURCE}/{name}"


def record(*names: str, acknowledged: tuple[str, ...] = (), kind: str = "handled", of: str = TYPE) -> Document:
    """A journal record of one batch: bare bodies by content and moment, such as `open.1`."""
    items = [{"id": key(name), "type": of, "about": ABOUT} for name in names]
    return {kind: items, "acknowledged": [key(name) for name in acknowledged]}


def recalled(works: list[Work], *records: Document) -> Recalled:
    return recall(works, records, subjects_of(works))


def ids(found: Recalled) -> list[str]:
    return [each.item.id for each in found.works]


def test_what_was_never_handled_is_itself() -> None:
    found = recalled([work("open")])

    assert (ids(found), found.republish, found.returning) == (["open.a"], set(), [])


def test_what_was_handled_is_a_repeat_of_that_and_speaks_again() -> None:
    found = recalled([work("open")], record("open.1"))

    assert (ids(found), found.republish, found.returning) == (["open.1"], {key("open.1")}, [])


def test_after_another_wish_in_another_batch_it_is_a_new_one_and_the_former_speaks_again_all_the_same() -> None:
    found = recalled([work("open")], record("open.1"), record("closed.2"))

    assert (ids(found), found.republish) == (["open.a"], {key("open.1")})


@pytest.mark.parametrize("of", ["stock.reserved.v1", "a.type.long.gone"])
def test_an_event_is_no_wish(of: str) -> None:
    assert ids(recalled([work("open")], record("open.1"), record("else.2", of=of))) == ["open.1"]


def test_a_copy_in_another_batch_is_no_other_wish() -> None:
    assert ids(recalled([work("open")], record("open.1"), record("open.2"))) == ["open.2"]


def test_a_whole_batch_of_returning_states_is_recognised_one_by_one() -> None:
    """Each by one delivery of its own, and that they were acknowledged is to be noted afterwards."""
    batch = record("open.1", "closed.1", "open.2")

    found = recalled([work("open"), work("closed"), work("open")], batch)

    assert ids(found) == ["open.2", "closed.1", "open.1"]
    assert found.returning == [key("open.2"), key("closed.1"), key("open.1")]


def test_one_more_than_the_batch_had_is_a_new_wish() -> None:
    batch = record("open.1", "closed.1", "open.2")

    found = recalled([work("open"), work("closed"), work("open"), work("closed")], batch)

    assert ids(found)[3] == "closed.a"


def test_of_an_acknowledged_batch_nothing_is_redelivered() -> None:
    assert ids(recalled([work("open")], record("open.1", "closed.1", acknowledged=("open.1", "closed.1")))) == [
        "open.a"
    ]


def test_after_a_new_wish_in_this_batch_it_is_a_new_one_too() -> None:
    found = recalled([work("open"), work("closed")], record("open.1"), record("closed.2"))
    assert ids(found) == ["open.a", "closed.a"]


def test_a_message_id_says_it_whatever_came_after() -> None:
    again = [replace(work("open", way="message_id"), item=named("open.mx-a"))]

    assert ids(recalled(again, record("open.mx-1"), record("closed.2"))) == ["open.mx-1"]
    assert ids(recalled(again, record("open.my-1"))) == ["open.mx-a"]


@pytest.mark.parametrize("kind", ["retried", "dead"])
def test_what_was_put_off_or_set_aside_keeps_its_id(kind: str) -> None:
    found = recalled([work("open")], record("open.1", kind=kind))

    assert (ids(found), found.republish) == (["open.1"], set())


def test_bodies_of_a_batch_that_set_a_thing_in_two_ways_are_noted() -> None:
    def handled(name: str, about: str = ABOUT, sets: str | None = None) -> Handled:
        return Handled(name, TYPE, about, about, "done", None, sets)

    one, other, same = (key(name) for name in ("open.1", "closed.1", "open.2"))

    assert returning([handled(one), handled(other)]) == [one, other]
    assert returning([handled(one), handled("shop/7")]) == [one]
    assert returning([handled(one), handled(same)]) == []
    assert returning([handled(one), handled(other, "order/else")]) == []
    assert returning([handled(one, "a", "team"), handled(other, "b", "team")]) == [one, other]
