"""Every worker has the same rooms, and its card matches them."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from types import ModuleType
from typing import get_args

import pytest
from typing_extensions import get_original_bases

from contracts.wire.catalogue import ALL
from contracts.wire.envelope import Command, Payload
from infra.operators.invariants import proved_by
from infra.runtime import roster
from tests.architecture.cards import ENTRIES, card, names_in
from tests.architecture.sources import ROOT, WORKERS, is_pure, nodes_of, python_files

ROOMS = {"__init__.py", "model.py", "decide.py", "repository.py", "handlers.py", "audit.py"}
SCREEN_LINES_MAX = 40
FIGURES = ("figure", "add")
"""Methods by which an audit counts, without a result."""

REFUSING = ("refuse", "_refuse", "RefundError", "PlacingError", "UnknownReference")
NOT_REFUSALS = {"stock_short", "stock_oversold", "payment_overdue"}
"""Reasons why an order ends, which its own events state."""

_VERSIONS = re.compile(r"([a-z-]+\.[a-z-]+) \((v[0-9]+(?:, v[0-9]+)*)\)")
_EVERY_WORKER = pytest.mark.parametrize("worker", WORKERS)


def _room(worker: str, name: str) -> ModuleType:
    return import_module(f"workers.{worker}.{name}")


def test_there_are_workers() -> None:
    assert len(WORKERS) >= 8
    assert list(WORKERS) == roster.names()


@_EVERY_WORKER
def test_it_has_the_rooms_and_only_pure_or_audit_rooms_beside_them(worker: str) -> None:
    found = {path for path in (ROOT / "workers" / worker).iterdir() if path.name != "__pycache__"}

    missing = sorted(ROOMS - {path.name for path in found})
    assert not missing, f"add {', '.join(f'workers/{worker}/{room}' for room in missing)}"
    for path in found:
        assert path.name in ROOMS or path.name.startswith("audit_") or (is_pure(path) and path.suffix == ".py"), path


def test_the_folder_contains_only_workers() -> None:
    found = {path.name for path in (ROOT / "workers").iterdir() if path.name != "__pycache__"}

    assert found == {"__init__.py", *WORKERS}


@_EVERY_WORKER
def test_its_worker_has_the_name_of_its_folder(worker: str) -> None:
    assert _room(worker, "handlers").WORKER.name == worker


@_EVERY_WORKER
def test_its_handlers_fit_a_screen(worker: str) -> None:
    lines = (ROOT / "workers" / worker / "handlers.py").read_text().splitlines()

    assert len(lines) <= SCREEN_LINES_MAX


@_EVERY_WORKER
def test_its_repository_is_typed_for_exactly_the_messages_of_its_rules(worker: str) -> None:
    wired = _room(worker, "handlers").WORKER
    [(_state, payloads)] = [get_args(base) for base in get_original_bases(wired.repository)]

    assert set(get_args(payloads) or (payloads,)) == {handler.payloads[0] for handler in wired.handlers}


@_EVERY_WORKER
class TestCard:
    def test_has_its_entries_in_order(self, worker: str) -> None:
        place = f"the docstring of workers/{worker}/__init__.py"
        assert tuple(card(worker)) == ENTRIES, f"give {place} the entries {', '.join(ENTRIES)}, in this order"
        assert all(card(worker).values()), f"an entry of {place} is empty"

    def test_consumes_what_its_handlers_read(self, worker: str) -> None:
        handlers = _room(worker, "handlers").WORKER.handlers

        assert names_in(card(worker)["consumes"]) == {handler.noun_and_verb for handler in handlers}

    def test_names_the_versions_where_it_reads_several(self, worker: str) -> None:
        several = {
            handler.noun_and_verb: sorted(payload.message_type.rpartition(".")[2] for payload in handler.payloads)
            for handler in _room(worker, "handlers").WORKER.handlers
            if len(handler.payloads) > 1
        }
        listed = {name: versions.split(", ") for name, versions in _VERSIONS.findall(card(worker)["consumes"])}

        assert listed == several

    def test_owns_the_collections_of_its_repository(self, worker: str) -> None:
        collections = {collection.name for collection in _room(worker, "handlers").WORKER.repository.collections}

        assert names_in(card(worker)["owns"]) == collections
        assert all(name.startswith(f"{worker}.") for name in collections)

    def test_publishes_the_events_that_its_rules_make(self, worker: str) -> None:
        made = {payload.message_type.rpartition(".")[0] for payload in payloads_made(worker)}

        assert names_in(card(worker)["publishes"]) == made

    def test_names_only_messages_that_exist(self, worker: str) -> None:
        known = {name.rpartition(".")[0] for name in ALL}

        assert names_in(card(worker)["publishes"]) <= known
        assert names_in(card(worker)["consumes"]) <= known

    def test_proves_the_invariants_that_its_audits_check(self, worker: str) -> None:
        checked = invariants_in(worker)
        place = f"the docstring of workers/{worker}/__init__.py"
        missing = [f"proves     {name}: …" for name in sorted(checked - set(proved_by(worker)))]
        assert not missing, f"add to {place} the lines {missing}, each with a sentence that states what holds"
        idle = sorted(set(proved_by(worker)) - checked)
        assert not idle, f"no audit of {worker} reports {', '.join(idle)}; remove the line from {place}"

    def test_commands_are_not_published(self, worker: str) -> None:
        assert not [payload for payload in payloads_made(worker) if issubclass(payload, Command)]


@pytest.mark.parametrize("worker", WORKERS)
def test_its_card_names_every_reason_it_refuses_for(worker: str) -> None:
    assert reasons_given(worker) <= set(re.findall(r"[a-z]+(?:_[a-z]+)*", card(worker)["refuses"]))


def reasons_given(worker: str) -> set[str]:
    """The reason codes in the refusals of the worker's rules."""
    rooms = [path for path in python_files(f"workers/{worker}") if is_pure(path)]
    calls = [node for path in rooms for node in nodes_of(path) if isinstance(node, ast.Call)]
    arguments = [
        argument
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in REFUSING
        for argument in call.args
    ]
    arguments += [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "reason"]
    codes = (node.value for node in arguments if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {code for code in codes if re.fullmatch(r"[a-z][a-z0-9_]*", code)} - NOT_REFUSALS


def invariants_in(worker: str) -> set[str]:
    """The invariants that the worker's audits check."""
    calls = [
        node
        for path in (ROOT / "workers" / worker).glob("audit*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Attribute) and node.func.attr in FIGURES)
    ]
    texts = [argument.value for call in calls for argument in call.args if isinstance(argument, ast.Constant)]
    return {name for name in texts if isinstance(name, str) and re.fullmatch(r"I[1-9][0-9]*", name)}


def payloads_made(worker: str) -> set[type[Payload]]:
    """The message classes that the worker's rules create by name, or name as a refusal: `Refusing[…](OrderRefused)`."""
    made = (
        getattr(_room(worker, path.stem), name, None)
        for path in python_files(f"workers/{worker}")
        if is_pure(path)
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and (name := _class_named(node)) is not None
    )
    return {found for found in made if isinstance(found, type) and issubclass(found, Payload) and found.message_type}


def _class_named(call: ast.Call) -> str | None:
    refuses = isinstance(call.func, ast.Subscript) and isinstance(call.func.value, ast.Name)
    made = call.args[0] if refuses and call.args else call.func
    return made.id if isinstance(made, ast.Name) else None


def test_each_message_has_one_publisher_and_one_queue_per_worker() -> None:
    makers: dict[str, list[str]] = {}
    for worker in WORKERS:
        for payload in payloads_made(worker):
            makers.setdefault(payload.message_type, []).append(worker)
        read = [payload for handler in _room(worker, "handlers").WORKER.handlers for payload in handler.payloads]
        assert len(read) == len(set(read))

    assert {name: workers for name, workers in makers.items() if len(workers) > 1} == {}


def test_every_command_has_exactly_one_worker() -> None:
    readers: dict[type[Payload], list[str]] = {payload: [] for payload in ALL.values() if issubclass(payload, Command)}
    for worker in WORKERS:
        for handler in _room(worker, "handlers").WORKER.handlers:
            for payload in handler.payloads:
                if payload in readers:
                    readers[payload].append(worker)

    assert {payload.message_type for payload, workers in readers.items() if len(workers) != 1} == set()


def test_no_collection_has_two_owners() -> None:
    owned = [c.name for worker in WORKERS for c in _room(worker, "handlers").WORKER.repository.collections]

    assert len(owned) == len(set(owned))
