"""Modules are imported by name only where the runtime finds workers, contracts and the API; strings hide no arrow."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, calls_in, named, python_files, tree_of

BY_NAME = {
    "contracts/wire/catalogue.py": "finds every contract",
    "infra/runtime/roster.py": "finds every worker",
    "infra/operators/invariants.py": "reads the cards of workers",
    "infra/processes/api_entry.py": "starts the API",
}
_MODULE = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.[a-z_]+)+")


@pytest.mark.parametrize("path", python_files(*PACKAGES), ids=named)
def test_a_module_is_imported_by_a_statement(path: Path) -> None:
    dynamic = {"import_module", "__import__", "spec_from_file_location"} & set(calls_in(path))

    assert not dynamic or named(path) in BY_NAME, f"{named(path)} imports by name; write an import statement"


@pytest.mark.parametrize("path", python_files(*PACKAGES), ids=named)
def test_no_string_names_a_module_of_workers_or_the_api(path: Path) -> None:
    if named(path) in BY_NAME:
        return
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _MODULE.fullmatch(node.value):
            top = named(path).partition("/")[0]
            assert node.value.partition(".")[0] in (top, "infra"), f"{named(path)}:{node.lineno} names {node.value}"


def test_the_places_exist_and_import_by_name() -> None:
    found = {named(path) for path in python_files(*PACKAGES) if "import_module" in calls_in(path)}

    assert found == set(BY_NAME)
