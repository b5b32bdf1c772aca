"""Models and rules are pure: no clock, no randomness, no I/O, no state between two messages."""

from __future__ import annotations

import ast
import builtins
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, imports_of, is_pure, named, nodes_of, tree_of

PURE = [path for path in sorted((ROOT / "workers").glob("*/*.py")) if is_pure(path)]
STANDARD = {
    "__future__", "bisect", "collections", "contextlib", "dataclasses", "datetime", "decimal", "enum", "fractions",
    "functools", "heapq", "itertools", "math", "operator", "re", "typing",
}  # fmt: skip
"""The allowed modules of the standard library: values and iteration."""

FORBIDDEN_CALLS = {
    "open",
    "input",
    "print",
    "exec",
    "eval",
    "globals",
    "setattr",
    "delattr",
    "id",
    "hash",
    "__import__",
}
READS_THE_CLOCK = {"now", "utcnow", "today", "fromtimestamp"}
MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
MUTABLE_CALLS = {"list", "dict", "set", "defaultdict", "Counter", "deque", "count", "cache", "lru_cache"}

FROZEN = (["dataclass(frozen=True, slots=True)"], ["dataclass(frozen=True, slots=True, kw_only=True)"])

pure_files = pytest.mark.parametrize("path", PURE, ids=named)


@pure_files
def test_only_contracts_own_pure_rooms_and_allowed_modules_are_imported(path: Path) -> None:
    own = tuple(f"workers.{path.parent.name}.{room.stem}." for room in PURE if room.parent == path.parent)

    forbidden = {
        name
        for name in imports_of(path)
        if not name.startswith(("contracts.", *own)) and name.partition(".")[0] not in STANDARD
    }

    assert forbidden == set()


@pure_files
def test_nothing_is_asynchronous_or_reads_the_clock_or_the_environment(path: Path) -> None:
    for node in nodes_of(path):
        where = f"{named(path)}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith), where
        assert not isinstance(node, ast.Global | ast.Nonlocal), where
        if isinstance(node, ast.Attribute):
            # Also without a call: a name may stand for the method and be called later.
            assert node.attr not in READS_THE_CLOCK, f"{where} reads the clock; time arrives as a message"
        if isinstance(node, ast.Name) and node.id in FORBIDDEN_CALLS:
            raise AssertionError(f"{where} uses {node.id}")


@pure_files
def test_there_is_no_global_state(path: Path) -> None:
    for node in tree_of(path).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            where = f"{named(path)}:{node.lineno} keeps mutable state"
            assert not isinstance(node.value, MUTABLE), where
            assert not (isinstance(node.value, ast.Call) and _name(node.value.func) in MUTABLE_CALLS), where
        if isinstance(node, ast.FunctionDef):
            cached = {_name(decorator) for decorator in node.decorator_list} & MUTABLE_CALLS
            assert not cached, f"{named(path)}:{node.lineno} caches its results"


@pytest.mark.parametrize("path", [path for path in PURE if path.name == "model.py"], ids=named)
def test_every_class_of_a_model_is_a_frozen_dataclass(path: Path) -> None:
    for node in tree_of(path).body:
        if isinstance(node, ast.ClassDef):
            decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
            assert decorators in FROZEN, f"{named(path)}:{node.lineno}"


def test_forbidden_calls_exist() -> None:
    assert {name for name in FORBIDDEN_CALLS if hasattr(builtins, name)} == FORBIDDEN_CALLS


def _name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=func):
            return _name(func)
        case ast.Subscript(value=value):
            return _name(value)
        case _:
            return ""
