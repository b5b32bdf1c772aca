"""The parts that a worker needs beside its folder. Each failure names the file or the line to add."""

from __future__ import annotations

import ast
import re
from collections.abc import Container

import pytest

from infra.runtime.roster import CLOCK
from tests.architecture.sources import ROOT, WORKERS, imports_of, named, nodes_of, python_files, services
from tests.faults import scenarios

COMPOSE = ROOT / "docker-compose.yml"
BESIDE_WORKERS = {CLOCK, "topology", "api", "rabbitmq", "mongodb", "redis"}
"""The service `topology` declares exchanges, queues and collections, then exits."""

every_worker = pytest.mark.parametrize("worker", WORKERS)


@pytest.mark.parametrize("worker", [*WORKERS, CLOCK])
def test_it_is_a_service(worker: str) -> None:
    last = [name for name in services() if name in WORKERS][-1]
    line = rf"^  {worker}:\n(?:    .*\n)*?    command: \[work, {worker}\]$"

    assert re.search(line, COMPOSE.read_text(), re.MULTILINE), (
        f"add a service {worker} to docker-compose.yml after {last}:\n"
        f"  {worker}:\n    <<: *worker\n    command: [work, {worker}]"
    )


def test_every_service_is_a_worker_or_a_known_other_one() -> None:
    unknown = sorted(set(services()) - {*WORKERS} - BESIDE_WORKERS)

    assert not unknown, f"workers/ has no {', '.join(unknown)}: remove the service from docker-compose.yml"
    assert set(services()) >= BESIDE_WORKERS


@every_worker
def test_the_contracts_that_it_imports_exist(worker: str) -> None:
    for path in sorted((ROOT / "workers" / worker).glob("*.py")):
        for name in imports_of(path):
            place = ROOT / name.rpartition(".")[0].replace(".", "/")
            if name.startswith("contracts."):
                is_there = place.is_dir() or place.with_suffix(".py").is_file()
                assert is_there, f"add {named(place)}.py, which {named(path)} imports"


@every_worker
def test_it_has_crash_scenarios(worker: str) -> None:
    place = f"tests/faults/scenarios/{worker}.py"
    assert (ROOT / place).is_file(), (
        f"add {place} with a function that returns a Scenario of everything {worker} may do; "
        "tests/faults/scenarios/reward_checks.py is an example"
    )
    found = {name: build().worker for name, build in scenarios.of(worker).items()}
    assert found, f"{place} has no function that returns a Scenario"
    assert set(found.values()) == {worker}, f"every Scenario of {place} begins with {worker!r}"


def test_scenarios_have_unique_names_and_existing_workers() -> None:
    names = [name for worker in scenarios.WORKERS for name in scenarios.of(worker)]

    assert sorted(names) == sorted(scenarios.SCENARIOS), "rename one of two scenarios under tests/faults/scenarios/"
    assert set(scenarios.WORKERS) <= set(WORKERS), (
        "delete the file of a worker that is gone from tests/faults/scenarios/"
    )


def test_no_list_of_most_workers_is_kept_by_hand() -> None:
    def most(texts: Container[object]) -> bool:
        return sum(worker in texts for worker in WORKERS) * 2 > len(WORKERS)

    by_hand = [
        f"{named(path)}:{node.lineno}"
        for path in python_files("api", "contracts", "infra", "tests")
        if most(path.read_text())
        for node in nodes_of(path)
        if isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict)
        and most({each.value for each in ast.walk(node) if isinstance(each, ast.Constant)})
    ]

    assert not by_hand, f"use roster.names() or roster.groups(…) in {', '.join(by_hand)}"


@every_worker
def test_it_has_unit_tests_of_its_rules(worker: str) -> None:
    tests = [path.read_text() for path in (ROOT / "tests/unit").rglob("*.py")]

    assert any(f"workers.{worker}" in text for text in tests), (
        f"add tests/unit/test_{worker}.py with tests of the rules in workers/{worker}/decide.py"
    )
