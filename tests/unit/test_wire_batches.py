"""A bad message of a batch harms no other, and what is wrong with a body is small, however large the body is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import get_args, get_origin

import pytest
from pydantic import BaseModel, FailFast
from pydantic.fields import FieldInfo

from contracts.wire.envelope import BATCH, BATCH_EVENTS_MAX, PAYLOADS, STRUCTURED, Message, Payload
from contracts.wire.refusal import Unreadable
from tests.builders import SHOP, message, place
from tests.unit.test_wire import SIMPLE, V1, read, sent, sent_with, the_only


class TestNeighbours:
    def test_a_bad_message_in_a_batch_harms_no_other(self) -> None:
        good = [sent(id="m-1"), sent(id="m-2"), sent(id="m-3", type=V1, data=SIMPLE)]
        bad = [json.loads(sent_with(lines=[])), 7, None, [], sent(type="order.place.v9"), {}]

        items = read(json.dumps([bad[0], good[0], *bad[1:4], good[1], *bad[4:], good[2]]), BATCH)

        assert [item.id for item in items if isinstance(item, Message)] == ["m-1", "m-2", "m-3"]
        assert [isinstance(item, Unreadable) for item in items] == [
            True, False, True, True, True, False, True, True, False,
        ]  # fmt: skip

    def test_half_a_surrogate_pair_in_one_harms_no_other(self) -> None:
        bad = json.dumps(sent(id="m-bad")).replace(SHOP, "\\ud800")

        first, second = read(f"[{bad}, {json.dumps(sent())}]", BATCH)

        assert isinstance(first, Unreadable)
        assert first.reason == "malformed_json"
        assert second == message(place(), id="m-1")

    @pytest.mark.parametrize("body", ["[", '[{"id": ', '{"a": 1}', "7", "[1, 2", "nothing"])
    def test_a_batch_that_is_no_array_is_one_bad_message(self, body: str) -> None:
        item = the_only(read(body, BATCH))

        assert isinstance(item, Unreadable)
        assert item.body == body.encode()

    def test_as_many_as_allowed_are_read(self) -> None:
        items = read(json.dumps([sent(id=f"m-{n}") for n in range(BATCH_EVENTS_MAX)]), BATCH)

        assert len(items) == BATCH_EVENTS_MAX
        assert all(isinstance(item, Message) for item in items)

    def test_many_bad_messages_of_a_batch_are_few(self) -> None:
        """Each has an answer, a letter without expiry and a line of the log: hundreds of times its size."""
        bad = [json.dumps(number) for number in range(100)]
        body = "[" + ",".join([*bad[:50], json.dumps(sent()), *bad[50:]]) + "]"
        *first, last = read(body, BATCH)

        assert [item.body.decode() for item in first if isinstance(item, Unreadable)] == bad[:20]
        assert [item.id for item in first if isinstance(item, Message)] == ["m-1"]
        assert isinstance(last, Unreadable)
        assert json.loads(last.body) == list(range(20, 100))
        assert last.detail.startswith("80 more messages of this body cannot be read; the first: ")
        again = read(last.body, BATCH)
        assert len(again) == 21, "a replay reads it like any other batch"

    @pytest.mark.parametrize("member", [0, sent()])
    def test_more_than_allowed_are_one_bad_message(self, member: object) -> None:
        """Each unreadable message has its price; 20,000 of them fit into 109 kB."""
        body = json.dumps([member] * (BATCH_EVENTS_MAX + 1))
        item = the_only(read(body, BATCH))

        assert isinstance(item, Unreadable)
        assert item.reason == "too_many_messages"
        assert item.detail == "body: 500 messages at most are accepted in one body; split it."
        assert item.body == body.encode()


def lists_of(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a payload, and of the models in it, whose length the sender chooses."""
    for name, field in model.model_fields.items():
        inner = [part for part in get_args(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
        if get_origin(field.annotation) in (list, tuple, set, frozenset, dict):
            yield f"{model.__name__}.{name}", field
        for part in inner:
            yield from lists_of(part)


@pytest.mark.parametrize("payload", [each for each in PAYLOADS.values() if each.from_shops])
def test_a_list_that_a_shop_sends_ends_at_its_first_invalid_item(payload: type[Payload]) -> None:
    """A body of 1 MiB has room for 345,000 empty lines, each with three errors."""
    for name, field in lists_of(payload):
        assert FailFast(fail_fast=True) in field.metadata, name


@pytest.mark.parametrize("kind", [BATCH, STRUCTURED])
def test_the_errors_of_a_body_are_few(kind: str) -> None:
    one = json.loads(sent_with(lines=[{}] * 3000))
    item = the_only(read(json.dumps([one] if kind == BATCH else one), kind))

    assert isinstance(item, Unreadable)
    assert "lines.0.product_id: Field required" in item.detail
    assert "lines.1" not in item.detail
    assert item.detail.endswith("lines.0.amount: Field required")


@pytest.mark.parametrize("kind", [BATCH, STRUCTURED])
def test_very_many_errors_are_only_counted(kind: str) -> None:
    """A body of 1 MiB has room for 80,000 unknown fields; each would become a dictionary, three times."""
    one = json.loads(sent_with(**{f"field-{number}": 1 for number in range(1_001)}))
    item = the_only(read(json.dumps([one] if kind == BATCH else one), kind))

    assert isinstance(item, Unreadable)
    assert (item.id, item.reason, item.detail) == (one["id"], "invalid_value", "body: 1001 fields or values are wrong")
