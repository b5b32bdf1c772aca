"""The import contracts in pyproject.toml hold, and contracts import allowed packages only."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from importlinter import cli

from tests.architecture.sources import ROOT, imports_of, named, python_files


def test_the_import_contracts_are_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)

    broken = cli.lint_imports(no_cache=True)

    assert not broken, capsys.readouterr().out


@pytest.mark.parametrize("path", python_files("contracts"), ids=named)
def test_contracts_import_pydantic_and_the_standard_library_only(path: Path) -> None:
    allowed = {"contracts", "pydantic", *sys.stdlib_module_names}

    assert {name.partition(".")[0] for name in imports_of(path)} <= allowed
