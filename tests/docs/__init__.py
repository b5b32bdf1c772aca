"""What documents say of workers, invariants and collections is derived from the code, and written between markers.

A document has a part where it has its markers, `<!-- workers: written by make docs -->` and `<!-- /workers -->`; which
parts there are is in `parts.py`. What stands between them is Chinese in a document whose name ends in `.zh-CN.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.sources import ROOT
from tests.docs.parts import PARTS

_PART = re.compile(r"(<!-- (?P<name>[a-z]+): written by make docs -->\n).*?(<!-- /(?P=name) -->)", re.DOTALL)


def documents() -> Iterator[Path]:
    yield from sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def parts_of(document: Path) -> list[str]:
    return [found["name"] for found in _PART.finditer(document.read_text("utf-8"))]


def written(document: Path) -> str:
    """The document with its parts as the code has them. ValueError with what to add where something is missing."""
    chinese = document.name.endswith(".zh-CN.md")

    def part(found: re.Match[str]) -> str:
        return f"{found[1]}{PARTS[found['name']](chinese)}\n{found[3]}"

    return _PART.sub(part, document.read_text("utf-8"))
