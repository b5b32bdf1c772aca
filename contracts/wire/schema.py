"""The released schemas: one snapshot for each message version, and the check that no release is broken.

A snapshot is never edited by hand. `export` adds optional fields; every other change is a new version.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from contracts.wire import asyncapi
from contracts.wire.catalogue import ALL
from contracts.wire.compatibility import breaks
from contracts.wire.json_schema import schema_of, to_text

FOLDER = Path(__file__).parents[1] / "schemas"
DOCUMENT = Path(__file__).parents[2] / "docs" / "asyncapi.json"

_EXPORT = "run `tributary schema export`"


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote, and the problems that a person must solve."""

    written: list[Path]
    problems: list[str]


def check(folder: Path = FOLDER, document: Path | None = DOCUMENT) -> list[str]:
    """Return the problems of the snapshots in `folder` and of the AsyncAPI document, as sentences."""
    problems = _broken(folder)
    for name, text in _texts().items():
        if not _path(folder, name).exists():
            problems.append(f"{name} has no snapshot: {_EXPORT}.")
        elif not any(problem.startswith(f"{name}:") for problem in problems) and _read(folder, name) != text:
            problems.append(f"{name}: the snapshot is behind: {_EXPORT}.")
    if document is not None and _stale(document):
        problems.append(f"{document.name} is stale: {_EXPORT}.")
    return problems


def export(folder: Path = FOLDER, document: Path | None = DOCUMENT) -> Exported:
    """Write the missing and outdated snapshots, and the AsyncAPI document. Broken snapshots stay as they are."""
    problems = _broken(folder)
    written = []
    for name, text in _texts().items():
        path = _path(folder, name)
        broken = any(problem.startswith(f"{name}:") for problem in problems)
        if not broken and (not path.exists() or _read(folder, name) != text):
            written.append(_write(path, text))
    if document is not None and _stale(document):
        written.append(_write(document, to_text(asyncapi.document())))
    return Exported(written=written, problems=problems)


def _broken(folder: Path) -> list[str]:
    """The problems that no export may repair: a release that is gone, unreadable, or no longer compatible."""
    problems = []
    for path in sorted(folder.glob("*.json")):
        name = path.name.removesuffix(".json")
        if name not in ALL:
            problems.append(f"{name}: the snapshot has no message; a released version stays readable, so put it back.")
            continue
        try:
            released = json.loads(path.read_text("utf-8"))
        except ValueError:
            problems.append(f"{name}: the snapshot is not JSON; restore it from the version history.")
            continue
        problems += [
            f"{name}: {found}. Leave the released version as it is and make a new one."
            for found in breaks(released, schema_of(ALL[name]))
        ]
    return problems


def _texts() -> dict[str, str]:
    return {name: to_text(schema_of(payload)) for name, payload in ALL.items()}


def _stale(document: Path) -> bool:
    return not document.exists() or document.read_text("utf-8") != to_text(asyncapi.document())


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _read(folder: Path, name: str) -> str:
    return _path(folder, name).read_text("utf-8")


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path
