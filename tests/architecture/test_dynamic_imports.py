"""Modules are imported by name only where the runtime finds workers, contracts and the API; strings hide no arrow."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, calls_in, named, nodes_of, python_files

BY_NAME = {
    "contracts/wire/catalogue.py": "finds every contract",
    "infra/runtime/roster.py": "finds every worker",
    "infra/operators/invariants.py": "reads the cards of workers",
    "infra/processes/api_entry.py": "starts the API",
}
_MODULE = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.[a-z_]+)+")


def test_a_module_is_imported_by_a_statement() -> None:
    dynamic = {"import_module", "__import__", "spec_from_file_location"}
    found = {named(path) for path in python_files(*PACKAGES) if dynamic & calls_in(path)}

    assert found <= set(BY_NAME), "these files import by name; write an import statement"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_string_names_a_module_of_workers_or_the_api(package: str) -> None:
    for path in python_files(package):
        if named(path) not in BY_NAME:
            assert_no_string_names_a_module(path)


def assert_no_string_names_a_module(path: Path) -> None:
    for node in nodes_of(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE.fullmatch(node.value):
            top = named(path).partition("/")[0]
            assert node.value.partition(".")[0] in (top, "infra"), f"{named(path)}:{node.lineno} names {node.value}"


def test_the_places_exist_and_import_by_name() -> None:
    found = {named(path) for path in python_files(*PACKAGES) if "import_module" in calls_in(path)}

    assert found == set(BY_NAME)
