"""The repository's own Python files, and facts read from their syntax trees."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts", "workers", "api", "infra")
WORKERS = tuple(sorted(path.parent.name for path in (ROOT / "workers").glob("*/__init__.py")))


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def services() -> list[str]:
    """The services of the compose file: the keys one step inside `services:`."""
    block = re.search(r"^services:\n((?:(?:[ #].*)?\n)+)", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    assert block, "docker-compose.yml has no services"
    return re.findall(r"^  ([A-Za-z0-9_-]+):", block[1], re.MULTILINE)


def is_pure(path: Path) -> bool:
    """Whether a room of a worker holds model and rules only: no storage, wiring or audits."""
    return path.stem not in ("__init__", "repository", "handlers", "audit") and not path.stem.startswith("audit_")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of the file's tree. Several rules read them, and walking costs more than parsing."""
    return tuple(ast.walk(tree_of(path)))


def imports_of(path: Path) -> Iterator[str]:
    """The full name of each module or member that the file imports, anywhere in the file."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)} imports relatively; write the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def calls_in(path: Path) -> frozenset[str]:
    """The last name of each call in the file: `Queue` for `topology.Queue(...)`."""
    return frozenset(_calls_in(path))


def _calls_in(path: Path) -> Iterator[str]:
    for node in nodes_of(path):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield node.func.attr
            elif isinstance(node.func, ast.Name):
                yield node.func.id
