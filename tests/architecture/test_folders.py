"""Folders are layers: imports between them lead down and form no cycles."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.architecture.sources import PACKAGES, ROOT, imports_of, named, python_files

FOLDERS = {path.parent.relative_to(ROOT).as_posix() for path in python_files(*PACKAGES)}


def folder_of(name: str) -> str | None:
    """The folder of an imported module, or of the module of an imported name; None for external packages."""
    parts = name.split(".")
    for end in (len(parts), len(parts) - 1):
        path = Path(*parts[:end]) if end else None
        if path is None:
            continue
        if (ROOT / path).with_suffix(".py").is_file():
            return path.parent.as_posix()
        if (ROOT / path / "__init__.py").is_file():
            return path.as_posix()
    return None


def imports_between() -> dict[str, dict[str, str]]:
    """For each folder the folders that it imports, each with one importing file."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for path in python_files(*PACKAGES):
        here = path.parent.relative_to(ROOT).as_posix()
        for name in imports_of(path):
            there = folder_of(name)
            if there in FOLDERS and there != here:
                found[here][there] = named(path)
    return dict(found)


def test_folders_form_no_cycle() -> None:
    graph = imports_between()
    cycles = []
    for start in graph:
        ahead, seen = list(graph[start]), set()
        while ahead:
            folder = ahead.pop()
            if folder == start:
                cycles.append(start)
                break
            if folder not in seen:
                seen.add(folder)
                ahead += graph.get(folder, {})
    assert {folder: graph[folder] for folder in cycles} == {}


def test_an_import_between_folders_is_found() -> None:
    assert "contracts/wire" in imports_between()["infra/runtime"]
