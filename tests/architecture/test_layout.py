"""The tree stays easy to navigate: files are short, folders have meaningful names, declarations have one place."""

from __future__ import annotations

import ast
from fnmatch import fnmatch

import pytest

from tests.architecture.sources import PACKAGES, ROOT, calls_in, named, nodes_of, python_files

LINES_MAX = 400

FORBIDDEN_ROOMS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "shared", "manager", "managers"}

DECLARED_IN = {
    "Queue": ("infra/runtime/topology.py", "infra/shops/logins.py"),
    "Exchange": ("infra/runtime/topology.py",),
    "Binding": ("infra/runtime/topology.py", "infra/shops/logins.py"),
    "RabbitQueue": ("infra/adapters/rabbitmq.py",),
    "declare_queue": (
        "infra/local/rabbitmq_probe.py",
        "infra/adapters/rabbitmq.py",
        "infra/adapters/rabbitmq_topology.py",
        "infra/operators/diagnosis_broker.py",
        "infra/gateway/private_queue.py",
    ),
    "declare_exchange": ("infra/adapters/rabbitmq_topology.py", "infra/operators/diagnosis_broker.py"),
    "Collection": (
        "*/repository.py",
        "infra/runtime/attempts.py",
        "infra/runtime/journal.py",
        "infra/runtime/quarantine.py",
        "infra/shops/readers.py",
    ),
    "Index": (
        "*/repository.py",
        "infra/runtime/attempts.py",
        "infra/runtime/journal.py",
        "infra/runtime/quarantine.py",
        "infra/shops/readers.py",
    ),
    "create_index": ("infra/adapters/mongo.py",),
    "create_indexes": ("infra/adapters/mongo.py",),
}
"""The files that may declare each resource of a server, or create it, or compare it with its declaration."""

FILES = python_files(*PACKAGES, "tests")


def test_a_file_is_short() -> None:
    lines = {named(path): len(path.read_text().splitlines()) for path in FILES}

    assert {name: count for name, count in lines.items() if count >= LINES_MAX} == {}, f"at most {LINES_MAX - 1} lines"


def test_its_name_is_meaningful() -> None:
    rooms = {named(path): {part.removesuffix(".py") for part in path.relative_to(ROOT).parts} for path in FILES}

    assert {name: found for name, parts in rooms.items() if (found := parts & FORBIDDEN_ROOMS)} == {}


def test_it_begins_with_a_docstring() -> None:
    texts = {named(path): path.read_text() for path in python_files(*PACKAGES)}

    assert [name for name, text in texts.items() if text.strip() and not text.startswith(('"""', 'r"""'))] == []


@pytest.mark.parametrize("name", DECLARED_IN)
def test_queues_and_indexes_are_declared_in_one_place(name: str) -> None:
    declaring = {named(path) for path in python_files(*PACKAGES) if name in calls_in(path)}

    assert {path for path in declaring if not any(fnmatch(path, place) for place in DECLARED_IN[name])} == set()


def test_consumers_do_not_declare_queues() -> None:
    for path in python_files(*PACKAGES):
        for node in nodes_of(path):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("RabbitQueue", "RabbitExchange")):
                arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert arguments.get("declare") == "False", f"{named(path)}:{node.lineno}"


def test_the_listed_files_exist() -> None:
    places = {place for where in DECLARED_IN.values() for place in where}

    assert {place for place in places if not any(fnmatch(named(p), place) for p in python_files(*PACKAGES))} == set()
