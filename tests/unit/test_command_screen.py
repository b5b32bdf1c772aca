"""Tables are never cut without a terminal, ids never on a narrow one, and long commands report their progress."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from infra.local.packages import install
from infra.local.progress_notes import progress_notes
from infra.runtime import roster
from infra.runtime.topology import describe, topology_of
from infra.settings import Settings
from infra.terminal.near import did_you_mean
from infra.terminal.progress import progress
from infra.terminal.screen import Grid, Screen
from tests.architecture.sources import calls_in, imports_of, named, python_files
from tests.unit.command_line import CommandLine

pytestmark = pytest.mark.slow

LONG = "shop-367/" + "31198459904-" * 20
CELLS = (LONG, "a sentence of several words that a terminal would break into lines " * 4, "12")

COMMANDS = [
    path
    for path in python_files("infra/cli", "infra/terminal", "infra/rehearsal", "infra/demo", "tests/bench")
    if "test_" not in path.name
]
every_command_file = pytest.mark.parametrize("path", COMMANDS, ids=named)


def a_table() -> Grid:
    table = Grid("order", "what", "count")
    table.add_row(*CELLS)
    return table


def test_a_row_is_one_line_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    Screen().print(a_table())

    out = capsys.readouterr().out
    [row] = [line for line in out.splitlines() if LONG in line]
    assert all(cell.strip() in row for cell in CELLS)
    assert "…" not in out
    assert "\x1b" not in out


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_an_id_is_complete_on_a_narrow_terminal(width: int) -> None:
    terminal = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)

    terminal.print(a_table())

    assert isinstance(terminal.file, io.StringIO)
    shown = [line.split("│")[1].strip() for line in terminal.file.getvalue().splitlines() if "│" in line]
    assert "".join(shown) == LONG
    assert "…" not in terminal.file.getvalue()


def test_piped_output_is_complete(tributary: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")

    out = tributary("topology").out

    for row in describe(topology_of(roster.load_all(), Settings())):
        assert any(all(str(cell) in line for cell in row) for line in out.splitlines()), row
    assert "\x1b" not in out


@every_command_file
def test_tables_screens_and_bars_are_defined_in_one_place(path: Path) -> None:
    if path.name in ("screen.py", "progress.py"):
        return
    rich = {name.rpartition(".")[2] for name in imports_of(path) if name.startswith("rich.")}

    assert rich & set(calls_in(path)) & {"Console", "Table", "Progress"} == set()


def test_a_phase_is_a_line_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as on_progress:
        for done in range(3):
            on_progress("loading", done, 3)
        on_progress("verifying", 0, 0)

    out, err = capsys.readouterr()
    assert (out, err) == ("", "loading\nverifying\n")


def test_a_long_phase_reports_its_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(silent_max_s=0.05) as on_progress:
        on_progress("loading", 1_500, 3_000)
        time.sleep(0.3)

    first, second, *_ = capsys.readouterr().err.splitlines()
    assert first == "loading"
    assert re.fullmatch(r"… still at work after 0 s: loading, 1,500 of 3,000\.", second)


def test_a_bar_is_shown_on_a_terminal_and_removed_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")

    with progress() as on_progress:
        on_progress("loading", 1, 3)

    out, err = capsys.readouterr()
    assert out == ""
    assert "loading" in err
    assert err.endswith(("\x1b[2K", "\x1b[?25h", "\r\x1b[1A\x1b[2K"))


def test_a_short_step_has_no_progress_notes() -> None:
    notes: list[str] = []
    with progress_notes(notes.append) as print_note:
        print_note("Starting …")

    assert notes == ["Starting …"]


def test_a_failed_step_has_no_more_progress_notes() -> None:
    notes: list[str] = []
    with pytest.raises(OSError, match="full"), progress_notes(notes.append, silent_max_s=0.02):
        raise OSError("full")

    time.sleep(0.1)
    assert notes == []


PIP = """
import sys, time
for number in range(3):
    print("Collecting package" + str(number), flush=True)
time.sleep(0.5)
print("Installing collected packages: package0", flush=True)
time.sleep(0.5)
sys.exit(4)
"""


def test_an_installation_reports_how_many_packages_it_has_fetched(tmp_path: Path) -> None:
    lock, log = tmp_path / "lock", tmp_path / "log"
    lock.write_text("package0==1.0 \\\n    --hash=sha256:aa\npackage1==1.0\nPackage.2==1.0\n# via x==1\n")
    log.write_text("Collecting what an earlier command has\n")
    notes: list[str] = []

    code = install(log, [sys.executable, "-c", PIP, "-r", str(lock)], notes.append, silent_max_s=0.2)

    assert code == 4
    assert any("3 of 3 packages fetched" in line for line in notes)
    assert "unpacking 3 packages" in notes[-1]
    assert log.read_text().startswith("Collecting what an earlier command has\nCollecting package0\n")


def test_the_installation_uses_only_the_standard_library() -> None:
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, '.'); import infra.local.packages"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "known", "question"),
    [
        ("order_intak", ["order_intake", "network"], " Did you mean order_intake?"),
        ("Network", ["order_intake", "network"], " Did you mean network?"),
        ("trail", ["trial", "trials"], " Did you mean trial or trials?"),
        ("xyz", ["order_intake", "network"], ""),
        ("xyz", [], ""),
    ],
)
def test_similar_names(name: str, known: list[str], question: str) -> None:
    assert did_you_mean(name, known) == question


@pytest.mark.parametrize("name", [*roster.names(), roster.CLOCK])
def test_similar_names_of_workers_are_suggested(tributary: CommandLine, name: str) -> None:
    ended = tributary("work", name[:-2] + name[-1])

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    question = ended.err.partition(" Did you mean ")[2]
    assert name in re.split(r" or |, |[?]", question)


@pytest.mark.parametrize("names", [["all"], ["all", "order_intake"], ["order_intake", "all"]])
def test_all_selects_every_worker_whatever_else_is_named(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    assert workers_of(tributary, monkeypatch, *names) == [*roster.names(), roster.CLOCK]


def test_a_worker_that_is_named_twice_runs_once(tributary: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers_of(tributary, monkeypatch, "network", "catalog", "network") == ["network", "catalog"]


def workers_of(tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, *names: str) -> list[str]:
    """The workers that the command would run."""
    chosen: list[str] = []
    monkeypatch.setattr("infra.cli.actions.work._work", lambda names, *_, **__: chosen.extend(names))
    assert tributary("work", *names).code == 0
    return chosen
