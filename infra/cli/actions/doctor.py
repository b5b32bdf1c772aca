"""`tributary doctor`: whether servers, queues and collections are healthy, and if not, what to do."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict
from pathlib import Path

import typer

from infra import local
from infra.local import record
from infra.operators.diagnosis import diagnose, unreachable
from infra.settings import Settings
from infra.terminal.environment import (
    EXIT_BREACH,
    EXIT_ENVIRONMENT,
    exported_addresses,
    one_sentence_on_failure,
    settings_for,
)
from infra.terminal.printing import print_text, printable
from infra.terminal.screen import Screen

_MARKS = {"ok": "[green]ok[/]     ", "warning": "[yellow]warning[/]", "problem": "[red]problem[/]"}


def doctor(stack: str, *, as_json: bool) -> None:
    # The driver would log what the findings already report.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    with one_sentence_on_failure():
        settings, folder = _settings_and_folder(stack)
        findings = asyncio.run(diagnose(settings, folder))
    problems = sum(finding.level == "problem" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if as_json:
        report = {"healthy": not problems, "problems": problems, "warnings": warnings}
        print_text(json.dumps({**report, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        console = Screen()
        for finding in findings:
            console.print(_MARKS[finding.level], end="  ")
            console.print(printable(f"{finding.part}, {finding.check}: {finding.detail}"), markup=False, soft_wrap=True)
        console.print(f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}.")
    raise typer.Exit(EXIT_ENVIRONMENT if unreachable(findings) else EXIT_BREACH if problems else 0)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _settings_and_folder(stack: str) -> tuple[Settings, Path | None]:
    """The settings, and the folder whose disk to check; None if MongoDB is not this stack's."""
    folder = record.folder_of(stack, local.default_home())
    return settings_for(stack), folder if "MONGODB_URL" not in exported_addresses() else None
