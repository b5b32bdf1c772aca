"""The documents' tables of workers, invariants and collections match the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.sources import named
from tests.docs import documents, parts_of, written
from tests.docs.parts import PARTS

with_parts = [path for path in documents() if parts_of(path)]


@pytest.mark.parametrize("document", with_parts, ids=named)
def test_its_tables_and_charts_match_the_code(document: Path) -> None:
    assert set(parts_of(document)) <= set(PARTS), f"{named(document)} has a part that tests/docs/parts.py lacks"
    try:
        expected = written(document)
    except ValueError as missing:
        pytest.fail(f"{missing}, then run make docs")
    assert document.read_text("utf-8") == expected, f"{named(document)} is out of date: run make docs"


def test_every_part_is_in_a_document() -> None:
    assert {part for document in with_parts for part in parts_of(document)} == set(PARTS)
