"""The documents' tables and charts of workers, invariants and collections are derived from the code.

A part is written between its markers, such as `<!-- workers: written by make docs -->` and `<!-- /workers -->`;
`parts.py` lists the parts. A document whose name ends in `.zh-CN.md` gets them in Chinese.
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
    """The document with its parts derived from the code. Raises ValueError with the line to add if one is missing."""
    chinese = document.name.endswith(".zh-CN.md")

    def part(found: re.Match[str]) -> str:
        return f"{found[1]}{PARTS[found['name']](chinese)}\n{found[3]}"

    return _PART.sub(part, document.read_text("utf-8"))
