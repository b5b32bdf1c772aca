"""Retry pauses, and the dead letter after the last try: with the body, so that a person can correct and replay it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from contracts.operations.v1 import MessageDeadLettered
from contracts.wire.envelope import STRUCTURED
from contracts.wire.refusal import Unreadable
from infra.runtime.failure_policy import Failure, FailurePolicy, dead_letter, delay_name
from tests.builders import message, place

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(("attempt", "delay_s"), [(1, 5), (2, 60), (3, 600), (4, None), (99, None)])
def test_pauses_follow_the_list_and_end_with_it(attempt: int, delay_s: int | None) -> None:
    assert FailurePolicy((5, 60, 600)).delay_after(attempt) == delay_s


def test_without_pauses_there_is_one_try() -> None:
    assert FailurePolicy(()).delay_after(1) is None


def test_each_pause_has_its_own_exchange() -> None:
    assert delay_name(60) == "tributary.delay.60s"


class TestFailure:
    def test_an_exception_is_described_by_type_message_and_traceback(self) -> None:
        failure = self.of(KeyError("tea"))

        assert (failure.reason, failure.detail) == ("handler_error", "KeyError: 'tea'")
        assert failure.traceback is not None
        assert failure.traceback.startswith("Traceback (most recent call last)")
        assert failure.traceback.endswith("KeyError: 'tea'\n")

    def test_the_end_of_a_long_traceback_is_kept(self) -> None:
        failure = self.of(ValueError("x" * 20_000 + "the end"))

        assert failure.traceback is not None
        assert len(failure.traceback) == 8_000
        assert failure.traceback.endswith("the end\n")

    @staticmethod
    def of(error: Exception) -> Failure:
        try:
            raise error
        except type(error) as caught:
            return Failure.from_exception(caught)


def letter_of(body: bytes, **arrived: Any) -> MessageDeadLettered:
    item = Unreadable("m-1", "order.place.v2", "malformed_json", "body: Invalid JSON", body, **arrived)
    return dead_letter(item, Failure(item.reason, item.detail), worker="w", queue="w.q", attempts=1, replays=0)


class TestDeadLetter:
    def test_a_message_is_kept_as_it_would_be_sent_with_its_subject(self) -> None:
        command = message(place(), id="m-1")
        failure = Failure("handler_error", "KeyError: 7", "Traceback …")

        letter = dead_letter(
            command, failure, worker="order_intake", queue="order_intake.order.place", attempts=4, replays=1
        )

        assert letter == MessageDeadLettered(
            worker="order_intake",
            queue="order_intake.order.place",
            message_id="m-1",
            type="order.place.v2",
            reason="handler_error",
            detail="KeyError: 7",
            attempts=4,
            replays=1,
            traceback="Traceback …",
            content_type=STRUCTURED,
            routing_key="order.place.v2",
            encoding="utf-8",
            body=command.to_bytes().decode(),
            concerns="order/shop-1/1001",
        )
        assert type(command).model_validate_json(letter.body) == command

    def test_an_unreadable_message_keeps_its_content_type_and_routing_key(self) -> None:
        letter = letter_of(b"{", content_type="application/json", routing_key="order.place.v1")

        assert (letter.content_type, letter.routing_key) == ("application/json", "order.place.v1")

    @pytest.mark.parametrize("text", ["", "{}", '{"名": "茶"}', "not json at all"])
    def test_a_body_that_is_text_is_kept_as_text(self, text: str) -> None:
        letter = letter_of(text.encode())

        assert (letter.encoding, letter.body, letter.concerns) == ("utf-8", text, None)

    @pytest.mark.parametrize("body", [b"\xff\xfe", b"\x80", '{"a": "ü"}'.encode("latin-1")])
    def test_any_other_body_is_kept_in_base64(self, body: bytes) -> None:
        letter = letter_of(body)

        assert letter.encoding == "base64"
        assert base64.b64decode(letter.body) == body

    @pytest.mark.parametrize(
        "body",
        [bytes(range(32)) * 2048, b"\x01" * 65_536, (b"\x00" * 69 + b"x" * 966) * 64, b"\x01" * 257 + b"x" * 3_839],
    )
    def test_no_body_of_characters_grows_by_more_than_half(self, body: bytes) -> None:
        """JSON writes a control character as six; the journal keeps it for a month."""
        letter = letter_of(body)

        assert len(json.dumps(letter.body)) < 1.5 * len(body)
        kept = base64.b64decode(letter.body) if letter.encoding == "base64" else letter.body.encode()
        assert kept == body

    def test_a_long_body_is_kept_whole(self) -> None:
        body = b"x" * MEBIBYTE + "茶".encode()

        assert letter_of(body).body.encode() == body

    def test_its_subject_is_that_of_the_message_or_else_the_message_itself(self) -> None:
        known = dead_letter(message(place()), Failure("r", "d"), worker="w", queue="q", attempts=1, replays=0)

        assert known.about() == "order/shop-1/1001"
        assert letter_of(b"").about() == "message/m-1"

    def test_it_fits_its_own_contract_on_the_wire(self) -> None:
        sent = message(letter_of("{\u0000}".encode())).to_bytes()

        assert json.loads(sent)["data"]["body"] == "{\u0000}"
