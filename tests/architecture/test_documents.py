"""The documents say of workers, invariants and collections what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.sources import named
from tests.docs import documents, parts_of, written
from tests.docs.parts import PARTS

with_parts = [path for path in documents() if parts_of(path)]


@pytest.mark.parametrize("document", with_parts, ids=named)
def test_its_tables_and_charts_are_those_of_the_code(document: Path) -> None:
    assert set(parts_of(document)) <= set(PARTS), f"tests/docs/parts.py writes no such part of {named(document)}"
    try:
        due = written(document)
    except ValueError as missing:
        pytest.fail(f"{missing}, then run make docs")
    assert document.read_text("utf-8") == due, f"{named(document)} is not what the code says: run make docs"


def test_every_part_is_in_a_document() -> None:
    assert {part for document in with_parts for part in parts_of(document)} == set(PARTS)
