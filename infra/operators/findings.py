"""The findings of a diagnosis: one for each check, with a sentence that states what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`part` is the server or area that it is about, `check` what was checked."""

    part: str
    check: str
    level: Level
    detail: str


def ok(part: str, check: str, detail: str) -> Finding:
    return Finding(part, check, "ok", detail)


def warning(part: str, check: str, detail: str) -> Finding:
    return Finding(part, check, "warning", detail)


def problem(part: str, check: str, detail: str) -> Finding:
    return Finding(part, check, "problem", detail)
