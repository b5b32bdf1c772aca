"""Our programs that run on a stack's servers. They are in its record, so that `down` stops them first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local import process, record
from infra.local.leftovers import marked
from infra.local.record import ServerRecord

LOGS = "logs"
"""The folder of their logs, within the stack's folder."""


def start_program(
    name: str, program: str, argv: Sequence[str], *, home: Path, env: Mapping[str, str], version: str
) -> process.ProcessMark:
    """Start a program of the stack `name` in the background, and record it."""
    folder = record.folder_of(name, home)
    logs = folder / LOGS
    record.create_private(folder)
    logs.mkdir(exist_ok=True)
    with record.locked(folder):
        mark = process.start(argv, env={**env, **marked(folder)}, folder=Path.cwd(), log=logs / f"{program}.log")
        entry = ServerRecord(processes={"program": mark}, version=version)
        record.write(folder, {**record.read(folder), program: entry})
    return mark
