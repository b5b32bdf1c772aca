"""Every decision record has its own number, a status and a date, and is listed in the index."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.decisions import COMMAND, FOLDER, INDEX, files, index, read
from tests.architecture.sources import named

every_record = pytest.mark.parametrize("path", files(), ids=named)


@every_record
def test_a_record_has_its_number_in_its_name_and_a_status(path: Path) -> None:
    assert path.name.startswith(f"{read(path).number:04}-")


@every_record
def test_the_successor_of_a_superseded_record_names_it(path: Path) -> None:
    successor = read(path).successor

    assert successor is None or path.name in (FOLDER / successor).read_text("utf-8")


def test_no_number_is_used_twice() -> None:
    numbers = [read(path).number for path in files()]

    assert sorted(set(numbers)) == numbers


def test_the_index_lists_every_record() -> None:
    assert INDEX.read_text("utf-8") == index(), f"run .venv/bin/{COMMAND}"


def test_the_template_has_the_form_of_a_record() -> None:
    assert read(FOLDER / "template.md").status == "accepted"
