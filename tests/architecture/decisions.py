"""The index of the decision records, made from their titles and status lines.

python -m tests.architecture.decisions    writes docs/decisions/README.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.sources import ROOT

FOLDER = ROOT / "docs/decisions"
INDEX = FOLDER / "README.md"
COMMAND = "python -m tests.architecture.decisions"
_RECORD = re.compile(
    r"# (?P<number>\d+)\. (?P<title>.+)\n\n"
    r"Status: (?P<status>accepted|superseded by \[\d+\]\((?P<successor>[^)]+)\)), (?P<date>\d{4}-\d{2}-\d{2})\n"
)
_HEAD = f"""# Decisions

One page for each decision that a reader of the code would question: context, decision, consequences, measurements. A
decision is never rewritten; a later record supersedes it.

To add one, copy [template.md](template.md) to the next free number and run `{COMMAND}`, which writes
this table.

| number | decision | status | date |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Record:
    """A decision record, read from its first lines."""

    file: str
    number: int
    title: str
    status: str
    successor: str | None
    date: str


def files() -> list[Path]:
    """Every record of the folder, ordered by number."""
    return sorted(path for path in FOLDER.glob("*.md") if path.name not in {INDEX.name, "template.md"})


def read(path: Path) -> Record:
    """The record in a file. Raises ValueError where its first lines do not follow the template."""
    found = _RECORD.match(path.read_text("utf-8"))
    if found is None:
        raise ValueError(f"{path.name} must begin like docs/decisions/template.md: title, empty line, status line")
    return Record(path.name, int(found["number"]), *found.group("title", "status", "successor", "date"))


def index() -> str:
    """The text of docs/decisions/README.md."""
    return _HEAD + "".join(map(_row, map(read, files())))


def _row(record: Record) -> str:
    return f"| {record.number} | [{record.title}]({record.file}) | {record.status} | {record.date} |\n"


if __name__ == "__main__":
    INDEX.write_text(index(), "utf-8")
