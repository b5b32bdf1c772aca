"""JSON that commands print is exact in JavaScript: large ids are text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.sources import named, nodes_of, python_files

WITHOUT_IDS = {
    *(f"infra/cli/actions/{name}.py" for name in ("dead", "demo", "doctor", "schema", "stack", "topology")),
    "infra/cli/actions/dead_view.py",  # an unchanged body, for a person
    "infra/cli/actions/rule_file.py",  # it reads its own output
}
"""Files that write JSON without ids."""


def _rounded(path: Path) -> Iterator[str]:
    for node in nodes_of(path):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "json.dumps":
            written = node.args[0]
            if not (isinstance(written, ast.Call) and ast.unparse(written.func) == "all_exact"):
                yield f"{named(path)}:{node.lineno} writes JSON without contracts.javascript.all_exact"


def test_json_that_commands_print_is_exact_in_javascript() -> None:
    files = [path for path in python_files("infra/cli") if named(path) not in WITHOUT_IDS]

    assert [problem for path in files for problem in _rounded(path)] == []


def test_the_files_without_ids_exist() -> None:
    assert {named(path) for path in python_files("infra/cli")} >= WITHOUT_IDS
