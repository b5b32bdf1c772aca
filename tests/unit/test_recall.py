"""Which redelivered bare body was handled before, by the journal records about its subject."""

from __future__ import annotations

from dataclasses import replace
from time import process_time
from typing import Any

import pytest

from contracts.wire.reading import BARE_SOURCE
from infra.ports.messaging import Sender
from infra.ports.store import Document
from infra.runtime.fold import Work
from infra.runtime.journal import Handled
from infra.runtime.recall import Recalled, recall, returning, subjects_of
from tests.builders import ORDER, SHOP, after_sale, message

ABOUT = f"order/{SHOP}/{ORDER}"
TYPE = "order.after-sale.v1"
AGAIN = 0xA
"""The moment of a redelivery."""


def work(content: str, *, way: Any = "content", moment: int = AGAIN) -> Work:
    """A redelivered bare body of this content; its id has the moment of its delivery."""
    item = message(after_sale(content == "open")).model_copy(
        update={"id": f"{content}.{moment:x}", "source": BARE_SOURCE}
    )
    return Work(item, redelivered=True, recalled_by=way)


def named(name: str) -> Any:
    return work("open").item.model_copy(update={"id": name})


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


def test_a_body_never_handled_keeps_its_new_id() -> None:
    found = recalled([work("open")])

    assert (ids(found), found.republish, found.returning) == (["open.a"], set(), [])


def test_a_handled_body_is_a_repeat_and_its_events_are_published_again() -> None:
    found = recalled([work("open")], record("open.1"))

    assert (ids(found), found.republish, found.returning) == (["open.1"], {key("open.1")}, [])


def test_a_shop_is_answered_about_the_first_delivery_too() -> None:
    """Two deliveries of the same bytes, and a crash before the answer to the first: which of them comes again?"""
    shops = replace(work("open"), sender=Sender(SHOP, "open", TYPE))
    found = recalled([shops], record("open.1"), record("open.2"))
    assert (ids(found), [each.item.id for each in found.first]) == (["open.2"], ["open.1"])

    assert recalled([shops], record("open.1")).first == []
    assert recalled([work("open")], record("open.1"), record("open.2")).first == []


def test_after_another_command_it_is_a_new_one_and_the_earlier_events_are_published_again() -> None:
    found = recalled([work("open")], record("open.1"), record("closed.2"))

    assert (ids(found), found.republish) == (["open.a"], {key("open.1")})


@pytest.mark.parametrize("of", ["stock.reserved.v1", "a.type.long.gone"])
def test_an_event_in_between_is_no_other_command(of: str) -> None:
    assert ids(recalled([work("open")], record("open.1"), record("else.2", of=of))) == ["open.1"]


def test_a_copy_in_another_batch_is_no_other_command() -> None:
    assert ids(recalled([work("open")], record("open.1"), record("open.2"))) == ["open.2"]


def test_a_redelivered_batch_of_returning_states_is_recognised_one_by_one() -> None:
    """Each matches a separate delivery, and their acknowledgement is to be recorded."""
    batch = record("open.1", "closed.1", "open.2")

    found = recalled([work("open"), work("closed"), work("open")], batch)

    assert ids(found) == ["open.2", "closed.1", "open.1"]
    assert found.returning == [key("open.2"), key("closed.1"), key("open.1")]


def test_one_body_more_than_the_batch_had_is_a_new_command() -> None:
    batch = record("open.1", "closed.1", "open.2")

    found = recalled([work("open"), work("closed"), work("open"), work("closed")], batch)

    assert ids(found)[3] == "closed.a"


def test_an_acknowledged_batch_is_not_matched() -> None:
    assert ids(recalled([work("open")], record("open.1", "closed.1", acknowledged=("open.1", "closed.1")))) == [
        "open.a"
    ]


def test_after_a_new_command_in_this_batch_it_is_a_new_one_too() -> None:
    found = recalled([work("open"), work("closed")], record("open.1"), record("closed.2"))
    assert ids(found) == ["open.a", "closed.a"]


def test_a_message_id_is_matched_whatever_came_after() -> None:
    again = [replace(work("open", way="message_id"), item=named("open.mx-a"))]

    assert ids(recalled(again, record("open.mx-1"), record("closed.2"))) == ["open.mx-1"]
    assert ids(recalled(again, record("open.my-1"))) == ["open.mx-a"]


@pytest.mark.parametrize("kind", ["retried", "dead"])
def test_a_retried_or_dead_lettered_body_keeps_its_id(kind: str) -> None:
    found = recalled([work("open")], record("open.1", kind=kind))

    assert (ids(found), found.republish) == (["open.1"], set())


def test_bodies_of_a_batch_that_set_two_values_are_returned() -> None:
    def handled(name: str, about: str = ABOUT, sets: str | None = None) -> Handled:
        return Handled(name, TYPE, about, about, "done", None, sets)

    one, other, same = (key(name) for name in ("open.1", "closed.1", "open.2"))

    assert returning([handled(one), handled(other)]) == [one, other]
    assert returning([handled(one), handled("shop/7")]) == [one]
    assert returning([handled(one), handled(same)]) == []
    assert returning([handled(one), handled(other, "order/else")]) == []
    assert returning([handled(one, "a", "team"), handled(other, "b", "team")]) == [one, other]


@pytest.mark.parametrize("contents", [("open", "closed"), ("closed", "closed")], ids=["both", "another"])
@pytest.mark.parametrize("way", ["content", "message_id"])
def test_many_redelivered_bodies_about_one_subject_are_compared_in_linear_time(
    contents: tuple[str, str], way: Any
) -> None:
    """10,000 statuses of one order in its journal, and a whole batch of them comes again."""
    records = [record(*(f"{contents[n % 2]}.{at:x}-{n:x}" for n in range(500))) for at in range(20)]
    works = [work("open", way=way, moment=AGAIN + number) for number in range(500)]

    began = process_time()
    found = recalled(works, *records)

    assert process_time() - began < 5
    assert len(found.works) == 500
