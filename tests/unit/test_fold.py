"""Folding a batch: one message's failure is its own, patience ends, and the same batch always says the same."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.catalog.v1 import DefineProduct, ProductDefined, ProductRefused
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message, Payload
from contracts.wire.refusal import Conflict, Refused, Unreadable
from infra.runtime.failure_policy import Failure, FailurePolicy
from infra.runtime.fold import Folded, Retry, Work, fold
from infra.runtime.journal import Emitted, Handled, Record, Unhandled, to_document
from infra.runtime.worker import Handler, on
from tests.builders import NOW, TEA, message

QUEUE = "catalog.product.define"
POLICY = FailurePolicy((5, 60))
LAST_TRY = 3


@dataclass(frozen=True)
class Seen:
    """The state of these tests: the names that were handled, in order."""

    names: tuple[str, ...] = ()


class OneState:
    """A repository of one state that every message sees."""

    def __init__(self) -> None:
        self.state = Seen()

    def state_for(self, _message: Message[Any]) -> Seen:
        return self.state

    def keep(self, state: Seen) -> None:
        self.state = state


def command(name: str, product_id: int = TEA) -> Message[DefineProduct]:
    return message(DefineProduct(product_id=product_id, name=name, category_id=7), id=f"m-{name}")


def defined(name: str, product_id: int = TEA) -> ProductDefined:
    return ProductDefined(product_id=product_id, name=name, category_id=7, active=True)


def refused(detail: str) -> ProductRefused:
    return ProductRefused(product_id=TEA, reason="unknown", detail=detail)


def decide(state: Seen, asked: Message[DefineProduct]) -> Decision[Seen] | NotYet[Seen]:
    """Says the name twice; raises, waits for ever, or waits and then refuses where the name says so."""
    name = asked.data.name
    if name == "raises":
        raise KeyError(name)
    if name == "waits":
        return NotYet("tea_unknown")
    if name == "waits then refuses":
        return NotYet("tea_unknown", Decision(state, (refused("no tea"),), "refused"))
    return Decision(Seen((*state.names, name)), (defined(name), defined(f"{name} again")), "told")


def handled(asked: Message[Any], outcome: str) -> Handled:
    about = asked.data.about()
    return Handled(asked.key, asked.type, about, asked.correlation, outcome, asked.digest)


def refuse(item: Refused) -> Payload | None:
    return refused(item.detail) if "product_id" in item.data else None


HANDLER = on(DefineProduct, decide=decide, refuse=refuse)


def fold_all(*works: Work, handler: Handler = HANDLER, into: OneState | None = None) -> Folded:
    folded = Folded("catalog", QUEUE, NOW)
    state: Any = into or OneState()
    return fold(handler, state, works, policy=POLICY, folded=folded)


def unreadable(**data: Any) -> Unreadable:
    return Unreadable("m-bad", "product.define.v1", "missing_field", "name: Field required", b'{"half": ', data=data)


class TestAnswers:
    def test_each_message_sees_what_the_ones_before_it_did(self) -> None:
        state = OneState()

        fold_all(Work(command("a")), Work(command("b")), Work(command("c")), into=state)

        assert state.state == Seen(("a", "b", "c"))

    def test_a_decision_is_handled_with_its_outcome_and_says_all_it_publishes_in_order(self) -> None:
        folded = fold_all(Work(command("a")))

        assert folded.handled == [handled(command("a"), "told")]
        assert [said.data for said in folded.emissions] == [defined("a"), defined("a again")]
        assert folded.emitted == [
            Emitted(command("a").key, said.id, "product.defined.v1", said.to_bytes()) for said in folded.emissions
        ]
        assert (folded.retried, folded.dead, folded.retries) == ([], [], [])

    def test_what_is_said_names_its_cause_and_belongs_to_the_same_correlation_and_trace(self) -> None:
        traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        asked = command("a").model_copy(update={"correlationid": "order-7", "traceparent": traceparent})

        said = fold_all(Work(asked)).emissions[0]

        assert (said.source, said.causationid, said.correlationid) == ("catalog", "m-a", "order-7")
        assert (said.subject, said.time) == ("product/501", NOW)
        assert said.traceparent is not None
        assert said.traceparent[:36] == traceparent[:36]
        assert said.traceparent != traceparent

    def test_folded_again_it_says_the_same_under_the_same_ids(self) -> None:
        works = (Work(command("a")), Work(command("raises"), LAST_TRY), Work(unreadable()), Work(command("b")))
        once, again = fold_all(*works), fold_all(*works)

        assert once.emitted == again.emitted
        assert len({emitted.id for emitted in once.emitted}) == len(once.emitted) == 6


class TestARuleThatRaises:
    def test_concerns_its_own_message_only(self) -> None:
        state = OneState()

        folded = fold_all(Work(command("a")), Work(command("raises")), Work(command("b")), into=state)

        assert state.state == Seen(("a", "b"))
        assert [handled.id for handled in folded.handled] == [command("a").key, command("b").key]
        assert folded.retried == [
            Unhandled(command("raises").key, "product.define.v1", "product/501", "product/501", "handler_error", 1)
        ]
        assert folded.retries == [Retry(command("raises"), attempt=1, replays=0, delay_s=5)]

    def test_becomes_a_dead_letter_with_its_traceback_after_the_last_try(self) -> None:
        folded = fold_all(Work(command("raises"), LAST_TRY, replays=2))

        assert folded.retries == []
        assert folded.dead == [
            Unhandled(
                command("raises").key, "product.define.v1", "product/501", "product/501", "handler_error", LAST_TRY
            )
        ]
        letter = folded.emissions[0].data
        assert (letter.worker, letter.queue, letter.message_id) == ("catalog", QUEUE, "m-raises")
        assert (letter.reason, letter.detail) == ("handler_error", "KeyError: 'raises'")
        assert (letter.attempts, letter.replays, letter.concerns) == (LAST_TRY, 2, "product/501")
        assert "raise KeyError(name)" in letter.traceback
        assert json.loads(letter.body)["data"]["name"] == "raises"

    def test_each_time_it_dies_is_a_dead_letter_of_its_own(self) -> None:
        first, replayed = (fold_all(Work(command("raises"), LAST_TRY, replays=n)).emissions[0].id for n in (0, 1))

        assert first != replayed

    def test_two_commands_under_one_id_are_two_dead_letters(self) -> None:
        one, other = (command("raises"), command("raises").model_copy(update={"data": command("raises too").data}))

        letters = {
            fold_all(Work(each, LAST_TRY, failure=Failure("odd", "Odd."))).emissions[0].id for each in (one, other)
        }

        assert one.key == other.key
        assert len(letters) == 2

    def test_a_failure_known_beforehand_is_not_asked_again(self) -> None:
        folded = fold_all(Work(command("a"), failure=Failure("too_big", "The batch could not be saved.")))

        assert folded.handled == []
        assert folded.retried == [
            Unhandled(command("a").key, "product.define.v1", "product/501", "product/501", "too_big", 1)
        ]


class TestNotYet:
    @pytest.mark.parametrize(("attempt", "delay_s"), [(1, 5), (2, 60)])
    @pytest.mark.parametrize("name", ["waits", "waits then refuses"])
    def test_is_tried_again_after_a_growing_pause(self, name: str, attempt: int, delay_s: int) -> None:
        folded = fold_all(Work(command(name), attempt, replays=1))

        assert folded.retries == [Retry(command(name), attempt=attempt, replays=1, delay_s=delay_s)]
        assert folded.retried == [
            Unhandled(command(name).key, "product.define.v1", "product/501", "product/501", "tea_unknown", attempt)
        ]
        assert (folded.handled, folded.emitted, folded.dead) == ([], [], [])

    def test_holds_otherwise_when_patience_has_ended(self) -> None:
        folded = fold_all(Work(command("waits then refuses"), LAST_TRY))

        assert folded.handled == [handled(command("waits then refuses"), "refused")]
        assert [said.data for said in folded.emissions] == [refused("no tea")]
        assert (folded.retries, folded.dead) == ([], [])

    def test_without_otherwise_it_becomes_a_dead_letter(self) -> None:
        folded = fold_all(Work(command("waits"), LAST_TRY))

        assert folded.dead == [
            Unhandled(command("waits").key, "product.define.v1", "product/501", "product/501", "tea_unknown", LAST_TRY)
        ]
        assert folded.emissions[0].data.detail == "Waited in vain: tea unknown."
        assert folded.emissions[0].data.traceback is None


class TestUnreadable:
    def test_what_says_what_it_is_about_is_refused_at_once(self) -> None:
        folded = fold_all(Work(unreadable(product_id=TEA)))

        assert folded.handled == [Handled(unreadable().key, "product.define.v1", "product/501", "m-bad", "refused")]
        assert [said.data for said in folded.emissions] == [refused("name: Field required")]
        assert (folded.retries, folded.dead) == ([], [])

    @pytest.mark.parametrize("handler", [HANDLER, replace(HANDLER, refuse=None)])
    def test_what_does_not_is_set_aside_at_once_and_never_tried_again(self, handler: Handler) -> None:
        folded = fold_all(Work(unreadable()), handler=handler)

        assert folded.dead == [
            Unhandled(unreadable().key, "product.define.v1", "message/m-bad", "m-bad", "missing_field", 1)
        ]
        assert (folded.handled, folded.retries) == ([], [])
        letter = folded.emissions[0].data
        assert (letter.detail, letter.body, letter.concerns) == ("name: Field required", '{"half": ', None)

    def test_its_neighbours_are_handled(self) -> None:
        folded = fold_all(Work(unreadable()), Work(command("a")), Work(unreadable(product_id=TEA)))

        assert [handled.outcome for handled in folded.handled] == ["told", "refused"]

    def test_whose_refusal_raises_becomes_a_dead_letter_at_once_and_its_neighbours_go_on(self) -> None:
        def fail(item: Refused) -> Payload | None:
            raise TypeError(f"{item.id} cannot be refused")

        state = OneState()
        handler = replace(HANDLER, refuse=fail)

        folded = fold_all(
            Work(command("a")),
            Work(unreadable(product_id=TEA), replays=2),
            Work(command("b")),
            handler=handler,
            into=state,
        )

        assert state.state == Seen(("a", "b"))
        assert [(handled.id, handled.outcome) for handled in folded.handled] == [
            (command("a").key, "told"),
            (command("b").key, "told"),
        ]
        assert folded.dead == [
            Unhandled(unreadable().key, "product.define.v1", "message/m-bad", "m-bad", "handler_error", 1)
        ]
        assert (folded.retried, folded.retries) == ([], [])
        letter = folded.emissions[2].data
        assert [said.data for said in folded.emissions] == [
            defined("a"),
            defined("a again"),
            letter,
            defined("b"),
            defined("b again"),
        ]
        assert (letter.worker, letter.queue, letter.message_id) == ("catalog", QUEUE, "m-bad")
        assert (letter.reason, letter.detail) == ("handler_error", "TypeError: m-bad cannot be refused")
        assert (letter.attempts, letter.replays, letter.concerns, letter.body) == (1, 2, None, '{"half": ')
        assert "raise TypeError" in letter.traceback


class TestAnIdInUse:
    CONFLICT = Conflict(command("a"), "product.define.v1")

    def test_is_refused_under_a_key_of_its_own(self) -> None:
        folded = fold_all(Work(self.CONFLICT))

        assert folded.handled == [
            Handled(self.CONFLICT.key, "product.define.v1", "product/501", "product/501", "refused")
        ]
        assert self.CONFLICT.key != command("a").key
        assert [said.data for said in folded.emissions] == [refused(self.CONFLICT.detail)]
        assert folded.emissions[0].causationid == "m-a"

    def test_without_a_refusal_it_becomes_a_dead_letter_with_the_message_as_it_came(self) -> None:
        folded = fold_all(Work(self.CONFLICT), handler=replace(HANDLER, refuse=None))

        assert [(back.id, back.reason) for back in folded.dead] == [(self.CONFLICT.key, "conflict")]
        letter = folded.emissions[0].data
        assert (letter.reason, letter.message_id, letter.concerns) == ("conflict", "m-a", "product/501")
        assert letter.body.encode() == command("a").to_bytes()

    @pytest.mark.parametrize(
        ("used_for", "other"),
        [("product.define.v1", "other content"), ("tag.define.v1", "a message of type tag.define.v1")],
    )
    def test_the_sentence_names_id_source_and_what_to_do(self, used_for: str, other: str) -> None:
        assert Conflict(command("a"), used_for).detail == (
            f"id: test has sent {other} under the id m-a, and it was answered; give each message an id of "
            "its own, and send this one again under a new id."
        )


class TestRecord:
    def test_it_holds_what_came_of_every_message(self) -> None:
        asked = replace_correlation(command("a"), "order-7")
        folded = fold_all(Work(asked), Work(command("waits")), Work(unreadable()))

        record = folded.record(repeats=["m-old"])

        assert record == Record(
            worker="catalog",
            queue=QUEUE,
            at=NOW,
            handled=(handled(asked, "told"),),
            repeats=("m-old",),
            retried=(
                Unhandled(command("waits").key, "product.define.v1", "product/501", "product/501", "tea_unknown", 1),
            ),
            dead=(Unhandled(unreadable().key, "product.define.v1", "message/m-bad", "m-bad", "missing_field", 1),),
            emitted=tuple(folded.emitted),
        )
        document = to_document(record)
        assert document["about"] == ["m-bad", "message/m-bad", "order-7", "product/501"]
        assert document["handled"] == [
            {
                "id": command("a").key,
                "type": "product.define.v1",
                "about": "product/501",
                "correlation": "order-7",
                "outcome": "told",
                "digest": command("a").digest,
            }
        ]
        assert [Emitted(**emitted) for emitted in document["emitted"]] == folded.emitted

    def test_what_is_empty_is_left_out_and_an_empty_record_says_so(self) -> None:
        record = fold_all().record(repeats=())

        assert record.is_empty
        assert to_document(record) == {"worker": "catalog", "queue": QUEUE, "at": NOW, "about": []}

    @pytest.mark.parametrize("work", [Work(command("a")), Work(command("waits")), Work(unreadable())])
    def test_a_record_of_anything_is_not_empty(self, work: Work) -> None:
        assert not fold_all(work).record(repeats=()).is_empty
        assert not fold_all().record(repeats=["m-old"]).is_empty


def replace_correlation(asked: Message[DefineProduct], correlation: str) -> Message[DefineProduct]:
    return asked.model_copy(update={"correlationid": correlation})


def test_the_time_of_what_is_said_is_the_batchs_not_the_causes() -> None:
    late = command("a").model_copy(update={"time": NOW - timedelta(days=1)})

    assert fold_all(Work(late)).emissions[0].time == NOW


def test_the_id_of_an_event_begins_with_the_time_of_its_cause_and_that_of_a_dead_letter_does_not() -> None:
    """Events lie in order in an index; a letter is asked for by the beginning of its id."""
    told, again, letter = fold_all(Work(command("a")), Work(command("raises"), attempt=9)).emitted

    moment = f"{int(NOW.timestamp() * 1000):012x}"
    assert [event.id.replace("-", "")[:12] == moment for event in (told, again, letter)] == [True, True, False]
    assert letter.type == "message.dead-lettered.v1"
