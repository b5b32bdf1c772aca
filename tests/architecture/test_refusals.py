"""Refusals are a class, and every reason of a worker has a sentence of the API in each language."""

from __future__ import annotations

import re

import pytest

from api.access import refusals
from api.http import problems
from contracts.wire.catalogue import ALL, is_refusal
from contracts.wire.envelope import Refusal
from tests.architecture.cards import card
from tests.architecture.sources import WORKERS
from tests.architecture.test_workers import payloads_made, reasons_given

REFUSALS = [payload for payload in ALL.values() if issubclass(payload, Refusal)]


def reasons_of(worker: str) -> set[str]:
    """The reason codes of the worker's card and of its rules."""
    entry = card(worker)["refuses"]
    listed = set() if entry.startswith("nothing") else set(re.findall(r"[a-z]+(?:_[a-z]+)*", entry))
    return listed | reasons_given(worker)


def test_exactly_the_events_named_refused_are_refusals() -> None:
    named = {message_type for message_type in ALL if message_type.rpartition(".")[0].endswith("refused")}

    assert {payload.message_type for payload in REFUSALS} == named
    assert {message_type for message_type in ALL if is_refusal(message_type)} == named


@pytest.mark.parametrize("payload", REFUSALS, ids=lambda payload: payload.message_type)
def test_a_refusal_has_a_reason_and_a_detail(payload: type[Refusal]) -> None:
    assert payload.model_fields.keys() >= {"reason", "detail"}


def test_an_unreleased_type_is_no_refusal() -> None:
    assert not is_refusal("tea.refused.v1")


@pytest.mark.parametrize("worker", WORKERS)
def test_every_reason_of_a_worker_has_a_sentence(worker: str) -> None:
    assert reasons_of(worker) - {*refusals.REASONS, *problems.REASONS} == set()


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_that_publishes_refusals_lists_its_reasons(worker: str) -> None:
    refuses = any(issubclass(payload, Refusal) for payload in payloads_made(worker))

    assert bool(reasons_of(worker)) == refuses
