"""Only a performer reaches the outside: its rule takes the answer, and no worker knows an adapter."""

from __future__ import annotations

from inspect import signature

import pytest

from contracts.wire.envelope import Command
from infra.runtime import roster
from infra.runtime.worker import Handler
from tests.architecture.sources import WORKERS, imports_of, named, python_files

HANDLERS = [
    pytest.param(handler, id=worker.queue_of(handler)) for worker in roster.load_all() for handler in worker.handlers
]
OUTSIDE = ("infra.ports.outside", "infra.ports.calls")
MAY_CALL = {
    "infra/ports/outside.py",
    "infra/ports/calls.py",
    "infra/processes/outside.py",
    "infra/processes/process.py",
    "infra/runtime/batch.py",
    "infra/runtime/performer.py",
}
"""Beside the adapters: the ports themselves, who makes them, and who hands them to the performer."""


def test_there_is_a_performer() -> None:
    assert any(roster.load(name).performs for name in WORKERS)


@pytest.mark.parametrize("handler", HANDLERS)
def test_only_the_rule_of_a_performer_takes_an_answer(handler: Handler) -> None:
    answer = ["answer"] if handler.performs else []

    assert list(signature(handler.decide).parameters) == ["state", "message", *answer]


@pytest.mark.parametrize("handler", HANDLERS)
def test_what_asks_for_a_call_is_an_event(handler: Handler) -> None:
    assert not (handler.performs and issubclass(handler.payloads[0], Command))


def test_nothing_else_knows_the_outside() -> None:
    knowing = {
        named(path)
        for path in python_files("api", "contracts", "infra", "workers")
        if any(name.startswith(OUTSIDE) for name in imports_of(path))
    }

    assert {name for name in knowing if not name.startswith("infra/adapters/outside/")} <= MAY_CALL
