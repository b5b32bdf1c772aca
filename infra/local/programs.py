"""Programs of ours that run on a stack's servers: in its record, so that `down` knows them, and stops them first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local import process, record
from infra.local.leftovers import marked
from infra.local.record import ServerRecord

LOGS = "logs"
"""The folder, within the stack's own, of what they say."""


def start_program(
    name: str, program: str, argv: Sequence[str], *, home: Path, env: Mapping[str, str], version: str
) -> process.ProcessMark:
    """Start a program in the background of the stack `name`, and remember it as soon as it runs."""
    folder = record.folder_of(name, home)
    logs = folder / LOGS
    logs.mkdir(parents=True, exist_ok=True)
    with record.locked(folder):
        mark = process.start(argv, env={**env, **marked(folder)}, folder=Path.cwd(), log=logs / f"{program}.log")
        entry = ServerRecord(processes={"program": mark}, version=version)
        record.write(folder, {**record.read(folder), program: entry})
    return mark
