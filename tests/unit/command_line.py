"""The command line for tests: every command, and the result of running a command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import typer
from typer.main import get_command

from infra.cli import ending
from infra.cli.app import app

Words = tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@cache
def built(app: typer.Typer) -> Any:
    """The commands of `app`. They keep no state, and building them takes longer than most commands do."""
    return get_command(app)


def all_commands() -> dict[Words, Any]:
    """Every command and group by its words, such as `("dead", "list")`; the program itself has none."""
    return dict(_below((), built(app)))


def _below(words: Words, command: Any) -> Iterator[tuple[Words, Any]]:
    yield words, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _below((*words, name), inner)


ALL = all_commands()
LEAVES = {words: command for words, command in ALL.items() if not hasattr(command, "commands")}
every_command = pytest.mark.parametrize("words", ALL, ids=" ".join)
every_leaf = pytest.mark.parametrize("words", LEAVES, ids=" ".join)


@dataclass
class CommandLine:
    """Runs the program in this process, as its entry point does."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str, of: typer.Typer = app) -> Ended:
        self.monkeypatch.setattr(sys, "argv", ["tributary", *words])
        self.monkeypatch.setattr(ending, "get_command", built)
        with pytest.raises(SystemExit) as ended:
            ending.run(of)
        out, err = self.capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, out, err)
