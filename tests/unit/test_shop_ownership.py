"""What a shop's login sends is its own, or refused before any rule sees it, in whatever form it comes."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.fields import DETAIL_MAX, GIVEN_MAX
from contracts.orders import v1, v2
from contracts.wire.envelope import BATCH, STRUCTURED, Message, derived_id
from contracts.wire.reading import BARE_SOURCE, SENDER_UNKNOWN, TOO_LARGE, UNREADABLE_PROPERTY, Reader, is_enveloped
from contracts.wire.refusal import NotYours, Unreadable
from infra.ports.messaging import Delivery, Sender
from infra.runtime.decoding import Decoder
from infra.runtime.fold import Work
from infra.shops.ownership import SENDER_UNKNOWN_BYTES_MAX, owned
from tests.builders import NOW
from tests.unit.deliveries import OTHER, PLACE_V1, SHOP, an_order, as_bytes, delivered, in_envelope
from tests.workflow.in_memory import ManualTime
from workers.order_intake.decide import refuse_unreadable_status

BYTES_MAX = 4000
PAYLOADS = (v2.PlaceOrder, v1.PlaceOrder)


def works_of(delivery: Delivery) -> list[Work]:
    return Decoder(PAYLOADS, BYTES_MAX, ManualTime(NOW)).works_of(delivery)


def read(content: object, content_type: str | None = STRUCTURED) -> Message[Any] | Unreadable:
    [item] = Reader(PAYLOADS).read(
        as_bytes(content), content_type=content_type, routing_key=PLACE_V1, received_at=NOW, delivery_id="d"
    )
    return item


class TestOwned:
    @pytest.mark.parametrize(
        "content",
        [
            in_envelope(an_order()),
            in_envelope({**an_order(), "quantity": 0}),
            in_envelope({"quantity": 0}),
            b'{"shop_id": ',
        ],
    )
    def test_its_own_and_what_names_no_shop_is_left_as_it_is(self, content: object) -> None:
        item = read(content)

        assert owned(item, SHOP, may_be_bare=False) is item

    @pytest.mark.parametrize(
        ("content", "field"),
        [
            (in_envelope(an_order(OTHER)), "shop_id"),
            (in_envelope(an_order(OTHER), source=f"urn:shop:{OTHER}"), "shop_id"),
            (in_envelope({**an_order(OTHER), "quantity": 0}), "shop_id"),
            (in_envelope({**an_order(), "shop_id": ["store-a"]}), "shop_id"),
            (in_envelope({**an_order(), "shop_id": None}), "shop_id"),
            (in_envelope(an_order(SHOP.upper())), "shop_id"),
            (in_envelope(an_order(), source=f"urn:shop:{OTHER}"), "source"),
            (in_envelope(an_order(), source="urn:shop:"), "source"),
            (in_envelope(an_order(), source=SHOP), "source"),
            (in_envelope(an_order(), source=f"urn:shop:{SHOP} "), "source"),
            (in_envelope(an_order(), source="urn:tributary:operator"), "source"),
            (in_envelope(an_order(), source=f"api/shop/shop.{SHOP}"), "source"),
            (in_envelope(an_order(), source=BARE_SOURCE), "source"),
        ],
    )
    def test_anything_else_is_refused_with_the_field(self, content: object, field: str) -> None:
        refused = owned(read(content), SHOP, may_be_bare=False)

        assert isinstance(refused, NotYours)
        assert refused.shop == SHOP
        assert refused.detail.startswith(f"{field}: your login is that of {SHOP}; ")

    def test_the_source_of_bare_bodies_is_for_bare_bodies(self) -> None:
        item = read(an_order(), content_type=None)

        assert isinstance(item, Message)
        assert item.source == BARE_SOURCE
        assert owned(item, SHOP, may_be_bare=True) is item

    def test_the_key_of_a_refusal_is_never_the_other_shops(self) -> None:
        """An id that a forger used first is still free for its owner, and for a second forger."""
        item = read(in_envelope(an_order(OTHER), source=f"urn:shop:{OTHER}"))
        by_us, by_a_third = (owned(item, shop, may_be_bare=False) for shop in (SHOP, "store-c"))

        assert len({item.key, by_us.key, by_a_third.key}) == 3


class TestWhereItIsFound:
    """Messages are found by their subject and their correlation id: neither may be another shop's order."""

    def test_a_correlation_id_gets_the_name_of_its_shop_once(self) -> None:
        named = {**in_envelope(an_order()), "correlationid": f"order/{OTHER}/1001"}
        once = owned(read(named), SHOP, may_be_bare=False)
        assert isinstance(once, Message)
        [again] = works_of(delivered(once.to_bytes(), sender=Sender(SHOP, PLACE_V1, "m-1"), attempts=1))

        assert once.correlation == f"urn:shop:{SHOP}/order/{OTHER}/1001"
        assert again.item.correlation == once.correlation

    def test_without_one_it_is_found_by_its_own_order(self) -> None:
        item = owned(read(in_envelope(an_order())), SHOP, may_be_bare=False)

        assert item.correlation == f"order/{SHOP}/1001"

    @pytest.mark.parametrize("data", [{"quantity": 0}, an_order(OTHER)])
    def test_an_id_is_no_order(self, data: dict[str, Any]) -> None:
        item = owned(read(in_envelope(data, f"order/{OTHER}/1001")), SHOP, may_be_bare=False)

        assert item.correlation != f"order/{OTHER}/1001"

    @pytest.mark.parametrize("content", [an_order(OTHER), in_envelope(an_order(OTHER))])
    def test_of_an_unknown_sender_it_is_found_by_its_id_alone(self, content: object) -> None:
        [work] = works_of(delivered(content, content_type=None, sender=Sender("")))

        assert isinstance(work.item, Unreadable)
        assert work.item.concerns is None


@pytest.mark.parametrize(
    "content",
    [
        {**in_envelope(an_order()), "type": "T" * 2000},
        in_envelope({**an_order(), "T" * 2000: 1}),
        in_envelope({**an_order(), **{f"{letter * 900}": 1 for letter in "abcd"}}),
    ],
)
def test_what_is_repeated_to_a_sender_has_a_length(content: object) -> None:
    [work] = works_of(delivered(content))

    assert isinstance(work.item, Unreadable)
    assert len(work.item.type) <= GIVEN_MAX
    assert len(work.item.detail) <= DETAIL_MAX


@pytest.mark.parametrize("content_type", [None, "application/json", STRUCTURED, BATCH])
@pytest.mark.parametrize(
    "body",
    [
        as_bytes(an_order()),
        as_bytes(in_envelope(an_order())),
        b"[" + as_bytes(in_envelope(an_order())) + b"]",
        b" \n" + as_bytes(an_order()),
        b"\xef\xbb\xbf [" + as_bytes(in_envelope(an_order())) + b"]",
        b"\xef\xbb\xbf" + as_bytes(an_order()),
        b"[]",
        b"",
    ],
)
def test_a_body_is_in_an_envelope_exactly_if_the_reader_does_not_take_it_as_bare(
    body: bytes, content_type: str | None
) -> None:
    items = Reader(PAYLOADS).read(body, content_type=content_type, routing_key=PLACE_V1, received_at=NOW)
    bare = [item for item in items if isinstance(item, Message) and item.source == BARE_SOURCE]

    assert not (bare and is_enveloped(body, content_type))
    if any(isinstance(item, Message) for item in items):
        assert bool(bare) is not is_enveloped(body, content_type)


class TestDelivery:
    def test_its_own_has_its_sender_with_the_id_and_version_of_the_shop(self) -> None:
        [work] = works_of(delivered(in_envelope(an_order())))

        assert isinstance(work.item, Message)
        assert (work.item.type, work.item.sent_as) == ("order.place.v2", PLACE_V1)
        assert work.sender == Sender(SHOP, PLACE_V1, "m-1")

    def test_reply_address_and_counts_are_not_the_shops_to_choose(self) -> None:
        [work] = works_of(delivered(in_envelope(an_order()), reply_to="rule_book.rules.activate"))

        assert (work.reply_to, work.attempt, work.replays) == (None, 1, 0)

    def test_a_bare_body_is_known_by_its_amqp_message_id(self) -> None:
        [work] = works_of(delivered(an_order(), content_type=None, message_id="bare-1"))

        assert work.sender == Sender(SHOP, PLACE_V1, "bare-1")
        assert isinstance(work.item, Message)
        assert work.item.source == BARE_SOURCE

    def test_a_bare_body_without_one_gets_the_id_that_was_made(self) -> None:
        [work] = works_of(delivered(an_order(), content_type=None))

        assert work.sender == Sender(SHOP, PLACE_V1, work.item.id)

    @pytest.mark.parametrize("content_type", [STRUCTURED, None])
    def test_a_foreign_one_is_refused_in_either_form(self, content_type: str | None) -> None:
        content = an_order(OTHER) if content_type is None else in_envelope(an_order(OTHER))
        [work] = works_of(delivered(content, content_type=content_type, message_id="x-1"))

        assert isinstance(work.item, NotYours)
        assert work.sender == Sender(SHOP, PLACE_V1, "x-1" if content_type is None else "m-1")

    def test_an_envelope_cannot_take_the_id_of_another_shops_bare_body(self) -> None:
        theirs = derived_id("bare", PLACE_V1, as_bytes(an_order(OTHER)))
        forged = in_envelope(an_order(), f"{theirs}.19ab", BARE_SOURCE)

        [alone] = works_of(delivered(forged))
        [member] = works_of(delivered([forged], content_type=BATCH))
        [untyped] = works_of(delivered(forged, content_type=None))

        assert all(isinstance(work.item, NotYours) for work in (alone, member, untyped))

    def test_in_a_batch_each_stands_for_itself(self) -> None:
        batch = [in_envelope(an_order(shop), f"m-{n}") for n, shop in enumerate((SHOP, OTHER, SHOP), start=1)]
        works = works_of(delivered(batch, content_type=BATCH))

        assert [isinstance(work.item, NotYours) for work in works] == [False, True, False]
        assert [work.sender and work.sender.message_id for work in works] == ["m-1", "m-2", "m-3"]

    @pytest.mark.parametrize("content", [an_order(), in_envelope(an_order()), b'{"half": '])
    def test_without_a_user_id_the_whole_delivery_is_set_aside(self, content: object) -> None:
        [work] = works_of(delivered(content, content_type=None, sender=Sender("")))

        assert isinstance(work.item, Unreadable)
        assert (work.item.reason, work.item.body, work.sender) == (SENDER_UNKNOWN, as_bytes(content), None)
        assert "user_id" in work.item.detail

    @pytest.mark.parametrize("content", [b'{"i": "' + "\u8336".encode() * 400 + b'"}', b"[" + b"1," * 20_000 + b"1]"])
    def test_without_a_user_id_only_the_beginning_is_kept_of_any_body(self, content: bytes) -> None:
        """No login can be ended for it, and it cannot be replayed."""
        [work] = works_of(delivered(content, content_type=None, sender=Sender("")))

        assert isinstance(work.item, Unreadable)
        assert (work.item.reason, work.sender) == (SENDER_UNKNOWN, None)
        assert SENDER_UNKNOWN_BYTES_MAX - 3 < len(work.item.body) <= SENDER_UNKNOWN_BYTES_MAX
        assert content.startswith(work.item.body)
        assert work.item.body.decode()
        assert f"{len(content)} bytes" in work.item.detail

    @pytest.mark.parametrize("shop", ["", SHOP])
    def test_an_empty_batch_is_nothing(self, shop: str) -> None:
        """Without a user_id it ended the loop, and every loop after it."""
        assert works_of(delivered(b"[]", content_type=BATCH, sender=Sender(shop))) == []

    def test_of_a_body_that_is_too_large_only_the_beginning_is_kept(self) -> None:
        [work] = works_of(delivered(b"[" + b"1," * 20_000 + b"1]", sender=Sender(SHOP)))

        assert isinstance(work.item, Unreadable)
        assert work.item.reason == TOO_LARGE
        assert len(work.item.body) < 20_000
        assert work.sender is not None
        assert work.sender.shop == SHOP

    def test_what_cannot_be_decoded_is_set_aside_with_its_sender(self) -> None:
        [work] = works_of(delivered(in_envelope(an_order()), undecoded="timestamp (80)"))

        assert isinstance(work.item, Unreadable)
        assert work.item.reason == UNREADABLE_PROPERTY
        assert work.sender == Sender(SHOP, PLACE_V1, "m-1")

    def test_a_forged_one_is_refused_even_if_it_cannot_be_decoded(self) -> None:
        """Dead-lettered, an operator would replay it as from inside."""
        batch = [in_envelope(an_order(shop), f"m-{n}") for n, shop in enumerate((SHOP, OTHER), start=1)]
        own, forged = works_of(delivered(batch, content_type=BATCH, undecoded="timestamp (80)"))

        assert isinstance(own.item, Unreadable)
        assert own.item.reason == UNREADABLE_PROPERTY
        assert isinstance(forged.item, NotYours)

    def test_a_copy_of_ours_keeps_what_was_found_at_first(self) -> None:
        first = Sender(SHOP, PLACE_V1, "bare-1")
        [work] = works_of(delivered(an_order(), content_type=None, message_id="bare-1"))
        assert isinstance(work.item, Message)

        [copy] = works_of(
            delivered(work.item.to_bytes(), attempts=1, sender=Sender.from_header(first.to_header()), receipt=2)
        )

        assert isinstance(copy.item, Message)
        assert (copy.item.key, copy.item.sent_as) == (work.item.key, PLACE_V1)
        assert (copy.sender, copy.attempt) == (first, 2)

    def test_from_inside_nothing_is_checked(self) -> None:
        [work] = works_of(delivered(in_envelope(an_order(OTHER)), sender=None, reply_to="tributary.reply.1"))

        assert isinstance(work.item, Message)
        assert (work.sender, work.reply_to) == (None, "tributary.reply.1")


@pytest.mark.parametrize("sender", [Sender(SHOP), Sender(SHOP, PLACE_V1, "an id with blanks"), Sender("", "", "")])
def test_a_sender_survives_its_header(sender: Sender) -> None:
    assert Sender.from_header(sender.to_header()) == sender


def test_a_field_that_a_refusal_repeats_has_a_length() -> None:
    content = {
        **in_envelope({"shop_id": SHOP, "order_id": "1001", "status": "s" * 2000}),
        "type": "order.update-status.v1",
    }
    [item] = Reader((v1.UpdateStatus,)).read(
        as_bytes(content), content_type=STRUCTURED, routing_key="order.update-status.v1", received_at=NOW
    )
    assert isinstance(item, Unreadable)
    refusal = refuse_unreadable_status(item)

    assert isinstance(refusal, v1.StatusRefused)
    assert refusal.status == "s" * GIVEN_MAX
