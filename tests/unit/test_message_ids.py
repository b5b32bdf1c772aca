"""Ids that are derived from what they name, plain or ordered by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import RFC_4122, UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.network.v1 import RegisterShop
from contracts.orders.v2 import PlaceOrder
from contracts.wire.envelope import Payload, child_of, derived_id, emit, ordered_id, root_trace
from infra.runtime.journal import Known
from tests.builders import NOW, accepted, message, paid, place


class TestDerivedId:
    @given(st.lists(st.text(max_size=40) | st.integers() | st.binary(max_size=40), min_size=1, max_size=5))
    def test_is_the_uuid5_of_its_parts(self, parts: list[object]) -> None:
        namespace = UUID("6f1d0b5e-6f2c-5d0c-9a55-7d2f3a1c9b10")
        assert derived_id(*parts) == str(uuid5(namespace, "\x1f".join(map(str, parts))))


class TestOrderedId:
    """The id of an event begins with the time of its cause."""

    @given(st.datetimes(timezones=st.just(UTC)), st.lists(st.text(max_size=40) | st.integers(), min_size=1, max_size=5))
    def test_is_a_uuid_that_begins_with_the_milliseconds_since_1970(self, at: datetime, parts: list[object]) -> None:
        known = UUID(ordered_id(at, *parts))
        assert (known.version, known.variant) == (8, RFC_4122)
        assert str(known) == ordered_id(at, *parts)
        milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1)
        assert abs((known.int >> 80) - max(0, milliseconds)) <= 1

    @given(st.lists(st.text(max_size=40), min_size=2, max_size=9, unique=True))
    def test_ids_and_spans_of_one_moment_are_distinct(self, names: list[str]) -> None:
        ids = [ordered_id(NOW, name) for name in names]
        trace = root_trace("an order")
        assert len(set(ids)) == len({child_of(trace, known) for known in ids}) == len(names)

    def test_ids_of_later_moments_sort_later(self) -> None:
        moments = [NOW + timedelta(milliseconds=7 * number) for number in range(1000)]
        ids = [ordered_id(moment, number) for number, moment in enumerate(moments)]
        assert ids == sorted(ids)

    def test_the_id_of_an_event_begins_with_the_time_of_its_cause(self) -> None:
        cause = message(accepted())
        event = emit(accepted(), cause=cause, source="order_intake", index=0, at=NOW, began=cause.time)
        assert event.id == ordered_id(cause.time, "order_intake", cause.key, "order.accepted.v1", 0)


class TestDigest:
    """The digest distinguishes two commands under one id."""

    @pytest.mark.parametrize("same", [place(prepaid=False), place(shipping=Decimal("8")), place(currency=None)])
    def test_depends_on_values_and_not_on_their_notation(self, same: PlaceOrder) -> None:
        assert message(same).digest == message(place()).digest

    @pytest.mark.parametrize("other", [place(prepaid=True), place(shipping=Decimal("8.01")), place("1002"), paid()])
    def test_differs_for_other_content(self, other: Payload) -> None:
        assert message(other).digest != message(place()).digest

    def test_does_not_change_when_a_release_adds_a_field(self) -> None:
        class Before(RegisterShop):
            pass

        class After(RegisterShop):
            until: str = "never"

        shop = {"shop_id": "shop-1", "currency": "CNY"}
        assert message(Before(**shop)).digest == message(After(**shop)).digest

    @pytest.mark.parametrize(
        ("known", "is_other"),
        [
            (Known("order.place.v2", message(place()).digest), False),
            (Known("order.place.v2", message(place("1002")).digest), True),
            (Known("order.place.v2", None), False),
            (Known("order.place.v1", "of an older version"), False),
            (Known("order.update-status.v1", None), True),
        ],
    )
    def test_is_compared_within_a_version(self, known: Known, is_other: bool) -> None:
        assert known.is_other_than(message(place())) == is_other
