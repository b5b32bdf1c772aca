"""Folders are floors of one house: arrows between them lead down, and never round about."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.architecture.sources import PACKAGES, ROOT, imports_of, named, python_files

FOLDERS = {path.parent.relative_to(ROOT).as_posix() for path in python_files(*PACKAGES)}


def folder_of(name: str) -> str | None:
    """The folder of an imported module, or of the module that has the imported name; None for what is not ours."""
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


def arrows() -> dict[str, dict[str, str]]:
    """From each folder to those that it imports, with one file that does."""
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for path in python_files(*PACKAGES):
        here = path.parent.relative_to(ROOT).as_posix()
        for name in imports_of(path):
            there = folder_of(name)
            if there in FOLDERS and there != here:
                found[here][there] = named(path)
    return dict(found)


def test_no_folder_is_reached_from_itself() -> None:
    graph = arrows()
    circles = []
    for start in graph:
        ahead, seen = list(graph[start]), set()
        while ahead:
            folder = ahead.pop()
            if folder == start:
                circles.append(start)
                break
            if folder not in seen:
                seen.add(folder)
                ahead += graph.get(folder, {})
    assert {folder: graph[folder] for folder in circles} == {}


def test_arrows_are_seen() -> None:
    assert "contracts/wire" in arrows()["infra/runtime"]
