"""Folding a batch: a failure affects its own message only, retries end, and the same batch emits the same events."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

import pytest

import infra.runtime.fold as fold_module
from contracts.catalog.v1 import DefineProduct, ProductDefined, ProductRefused
from contracts.operations.v1 import MessageDeadLettered
from contracts.wire.catalogue import ALL
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message, Refusal
from contracts.wire.refusal import Conflict, Refused, Unreadable
from infra.runtime.failure_policy import Failure, FailurePolicy
from infra.runtime.fold import EmitsTooMuch, Folded, Retry, Work, fold
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


def decide(state: Seen, message: Message[DefineProduct]) -> Decision[Seen] | NotYet[Seen]:
    """Emits the name twice; by name it raises, waits for ever, or waits and then refuses."""
    name = message.data.name
    if name == "raises":
        raise KeyError(name)
    if name == "waits":
        return NotYet("tea_unknown")
    if name == "waits then refuses":
        return NotYet("tea_unknown", Decision(state, (refused("no tea"),), "refused"))
    return Decision(Seen((*state.names, name)), (defined(name), defined(f"{name} again")), "defined")


def handled(message: Message[Any], outcome: str) -> Handled:
    about = message.data.about()
    return Handled(message.key, message.type, about, message.correlation, outcome, message.digest)


def refuse(item: Refused[DefineProduct]) -> Refusal | None:
    return refused(item.detail) if "product_id" in item.data else None


HANDLER = on(DefineProduct, decide=decide, refuse=refuse)


def fold_all(*works: Work, handler: Handler = HANDLER, into: OneState | None = None) -> Folded:
    folded = Folded("catalog", QUEUE, NOW, announced=frozenset(ALL))
    state: Any = into or OneState()
    return fold(handler, state, works, policy=POLICY, folded=folded)


def unreadable(**data: Any) -> Unreadable:
    return Unreadable("m-bad", "product.define.v1", "missing_field", "name: Field required", b'{"half": ', data=data)


class TestAnswers:
    def test_each_message_sees_the_changes_of_earlier_ones(self) -> None:
        state = OneState()

        fold_all(Work(command("a")), Work(command("b")), Work(command("c")), into=state)

        assert state.state == Seen(("a", "b", "c"))

    def test_messages_that_together_emit_too_much_are_not_folded_in_one_go(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = fold_all(Work(command("a"))).emitted_bytes
        monkeypatch.setattr(fold_module, "EMITTED_BYTES_MAX", one)

        fold_all(Work(command("a")), Work(command("b")))
        with pytest.raises(EmitsTooMuch, match="of 3 messages"):
            fold_all(Work(command("a")), Work(command("b")), Work(command("c")))
        monkeypatch.setattr(fold_module, "EMITTED_BYTES_MAX", 0)
        assert fold_all(Work(command("a"))).emitted_bytes == one

    def test_only_announced_messages_are_kept_for_the_log(self) -> None:
        folded = Folded("catalog", QUEUE, NOW)
        fold(HANDLER, cast(Any, OneState()), [Work(command("a"))], policy=POLICY, folded=folded)
        assert (len(folded.emitted), folded.emissions) == (2, [])

    def test_a_decision_is_handled_with_its_outcome_and_emits_all_its_events_in_order(self) -> None:
        folded = fold_all(Work(command("a")))

        assert folded.handled == [handled(command("a"), "defined")]
        assert [event.data for event in folded.emissions] == [defined("a"), defined("a again")]
        assert folded.emitted == [
            Emitted(command("a").key, event.id, "product.defined.v1", event.to_bytes()) for event in folded.emissions
        ]
        assert (folded.retried, folded.dead, folded.retries) == ([], [], [])

    def test_an_event_names_its_cause_and_keeps_its_correlation_and_trace(self) -> None:
        traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        cause = command("a").model_copy(update={"correlationid": "order-7", "traceparent": traceparent})

        event = fold_all(Work(cause)).emissions[0]

        assert (event.source, event.causationid, event.correlationid) == ("catalog", "m-a", "order-7")
        assert (event.subject, event.time) == ("product/501", NOW)
        assert event.traceparent is not None
        assert event.traceparent[:36] == traceparent[:36]
        assert event.traceparent != traceparent

    def test_folding_again_emits_the_same_events_under_the_same_ids(self) -> None:
        works = (Work(command("a")), Work(command("raises"), LAST_TRY), Work(unreadable()), Work(command("b")))
        once, again = fold_all(*works), fold_all(*works)

        assert once.emitted == again.emitted
        assert len({emitted.id for emitted in once.emitted}) == len(once.emitted) == 6


class TestARuleThatRaises:
    def test_affects_its_own_message_only(self) -> None:
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
        assert isinstance(letter, MessageDeadLettered)
        assert (letter.worker, letter.queue, letter.message_id) == ("catalog", QUEUE, "m-raises")
        assert (letter.reason, letter.detail) == ("handler_error", "KeyError: 'raises'")
        assert (letter.attempts, letter.replays, letter.concerns) == (LAST_TRY, 2, "product/501")
        assert "raise KeyError(name)" in (letter.traceback or "")
        assert json.loads(letter.body)["data"]["name"] == "raises"

    def test_each_death_is_a_dead_letter_of_its_own(self) -> None:
        first, replayed = (fold_all(Work(command("raises"), LAST_TRY, replays=n)).emissions[0].id for n in (0, 1))

        assert first != replayed

    def test_two_commands_under_one_id_are_two_dead_letters(self) -> None:
        one, other = (command("raises"), command("raises").model_copy(update={"data": command("raises too").data}))

        letters = {
            fold_all(Work(each, LAST_TRY, failure=Failure("odd", "Odd."))).emissions[0].id for each in (one, other)
        }

        assert one.key == other.key
        assert len(letters) == 2

    def test_a_message_with_a_known_failure_runs_no_rule(self) -> None:
        folded = fold_all(Work(command("a"), failure=Failure("too_big", "The batch could not be saved.")))

        assert folded.handled == []
        assert folded.retried == [
            Unhandled(command("a").key, "product.define.v1", "product/501", "product/501", "too_big", 1)
        ]


class TestNotYet:
    @pytest.mark.parametrize(("attempt", "delay_s"), [(1, 5), (2, 60)])
    @pytest.mark.parametrize("name", ["waits", "waits then refuses"])
    def test_is_retried_after_a_growing_pause(self, name: str, attempt: int, delay_s: int) -> None:
        folded = fold_all(Work(command(name), attempt, replays=1))

        assert folded.retries == [Retry(command(name), attempt=attempt, replays=1, delay_s=delay_s)]
        assert folded.retried == [
            Unhandled(command(name).key, "product.define.v1", "product/501", "product/501", "tea_unknown", attempt)
        ]
        assert (folded.handled, folded.emitted, folded.dead) == ([], [], [])

    def test_takes_its_alternative_after_the_last_try(self) -> None:
        folded = fold_all(Work(command("waits then refuses"), LAST_TRY))

        assert folded.handled == [handled(command("waits then refuses"), "refused")]
        assert [event.data for event in folded.emissions] == [refused("no tea")]
        assert (folded.retries, folded.dead) == ([], [])

    def test_without_an_alternative_it_becomes_a_dead_letter(self) -> None:
        folded = fold_all(Work(command("waits"), LAST_TRY))

        assert folded.dead == [
            Unhandled(command("waits").key, "product.define.v1", "product/501", "product/501", "tea_unknown", LAST_TRY)
        ]
        letter = folded.emissions[0].data
        assert isinstance(letter, MessageDeadLettered)
        assert (letter.detail, letter.traceback) == ("Tea unknown.", None)


class TestUnreadable:
    def test_with_a_subject_it_is_refused_at_once(self) -> None:
        folded = fold_all(Work(unreadable(product_id=TEA)))

        assert folded.handled == [
            Handled(unreadable().key, "product.define.v1", "product/501", "message/m-bad", "refused")
        ]
        assert [event.data for event in folded.emissions] == [refused("name: Field required")]
        assert (folded.retries, folded.dead) == ([], [])

    @pytest.mark.parametrize("handler", [HANDLER, replace(HANDLER, refuse=None)])
    def test_without_a_subject_it_is_dead_lettered_at_once_and_not_retried(self, handler: Handler) -> None:
        folded = fold_all(Work(unreadable()), handler=handler)

        assert folded.dead == [
            Unhandled(unreadable().key, "product.define.v1", "message/m-bad", "message/m-bad", "missing_field", 1)
        ]
        assert (folded.handled, folded.retries) == ([], [])
        letter = folded.emissions[0].data
        assert isinstance(letter, MessageDeadLettered)
        assert (letter.detail, letter.body, letter.concerns) == ("name: Field required", '{"half": ', None)

    def test_its_neighbours_are_handled(self) -> None:
        folded = fold_all(Work(unreadable()), Work(command("a")), Work(unreadable(product_id=TEA)))

        assert [handled.outcome for handled in folded.handled] == ["defined", "refused"]

    def test_if_its_refusal_raises_it_is_dead_lettered_and_its_neighbours_are_handled(self) -> None:
        def fail(item: Refused[DefineProduct]) -> Refusal | None:
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
            (command("a").key, "defined"),
            (command("b").key, "defined"),
        ]
        assert folded.dead == [
            Unhandled(unreadable().key, "product.define.v1", "message/m-bad", "message/m-bad", "handler_error", 1)
        ]
        assert (folded.retried, folded.retries) == ([], [])
        letter = folded.emissions[2].data
        assert isinstance(letter, MessageDeadLettered)
        assert [event.data for event in folded.emissions] == [
            defined("a"),
            defined("a again"),
            letter,
            defined("b"),
            defined("b again"),
        ]
        assert (letter.worker, letter.queue, letter.message_id) == ("catalog", QUEUE, "m-bad")
        assert (letter.reason, letter.detail) == ("handler_error", "TypeError: m-bad cannot be refused")
        assert (letter.attempts, letter.replays, letter.concerns, letter.body) == (1, 2, None, '{"half": ')
        assert "raise TypeError" in (letter.traceback or "")


class TestAnIdInUse:
    CONFLICT = Conflict(command("a"), "product.define.v1")

    def test_is_refused_under_a_key_of_its_own(self) -> None:
        folded = fold_all(Work(self.CONFLICT))

        assert folded.handled == [
            Handled(self.CONFLICT.key, "product.define.v1", "product/501", "product/501", "refused")
        ]
        assert self.CONFLICT.key != command("a").key
        assert [event.data for event in folded.emissions] == [refused(self.CONFLICT.detail)]
        assert folded.emissions[0].causationid == "m-a"

    def test_without_a_refusal_it_becomes_a_dead_letter_with_the_message_as_it_came(self) -> None:
        folded = fold_all(Work(self.CONFLICT), handler=replace(HANDLER, refuse=None))

        assert [(dead.id, dead.reason) for dead in folded.dead] == [(self.CONFLICT.key, "conflict")]
        letter = folded.emissions[0].data
        assert isinstance(letter, MessageDeadLettered)
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
    def test_it_holds_the_outcome_of_every_message(self) -> None:
        first = replace_correlation(command("a"), "order-7")
        folded = fold_all(Work(first), Work(command("waits")), Work(unreadable()))

        record = folded.record(repeats=["m-old"])

        assert record == Record(
            worker="catalog",
            queue=QUEUE,
            at=NOW,
            handled=(handled(first, "defined"),),
            repeats=("m-old",),
            retried=(
                Unhandled(command("waits").key, "product.define.v1", "product/501", "product/501", "tea_unknown", 1),
            ),
            dead=(
                Unhandled(unreadable().key, "product.define.v1", "message/m-bad", "message/m-bad", "missing_field", 1),
            ),
            emitted=tuple(folded.emitted),
        )
        document = to_document(record)
        assert document["about"] == ["message/m-bad", "order-7", "product/501"]
        assert document["handled"] == [
            {
                "id": command("a").key,
                "type": "product.define.v1",
                "about": "product/501",
                "correlation": "order-7",
                "outcome": "defined",
                "digest": command("a").digest,
            }
        ]
        assert [Emitted(**emitted) for emitted in document["emitted"]] == folded.emitted

    def test_empty_lists_are_left_out_and_an_empty_record_is_empty(self) -> None:
        record = fold_all().record(repeats=())

        assert record.is_empty
        assert to_document(record) == {"worker": "catalog", "queue": QUEUE, "at": NOW, "about": []}

    @pytest.mark.parametrize("work", [Work(command("a")), Work(command("waits")), Work(unreadable())])
    def test_a_record_of_anything_is_not_empty(self, work: Work) -> None:
        assert not fold_all(work).record(repeats=()).is_empty
        assert not fold_all().record(repeats=["m-old"]).is_empty


def replace_correlation(message: Message[DefineProduct], correlation: str) -> Message[DefineProduct]:
    return message.model_copy(update={"correlationid": correlation})


def test_an_event_has_the_time_of_its_batch_not_of_its_cause() -> None:
    late = command("a").model_copy(update={"time": NOW - timedelta(days=1)})

    assert fold_all(Work(late)).emissions[0].time == NOW


def test_the_id_of_an_event_begins_with_its_causes_time_and_that_of_a_dead_letter_does_not() -> None:
    """So events are in order in an index, and a letter can be looked up by the beginning of its id."""
    first, second, letter = fold_all(Work(command("a")), Work(command("raises"), attempt=9)).emitted

    moment = f"{int(NOW.timestamp() * 1000):012x}"
    assert [event.id.replace("-", "")[:12] == moment for event in (first, second, letter)] == [True, True, False]
    assert letter.type == "message.dead-lettered.v1"
