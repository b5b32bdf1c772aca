"""Tributary compared with Celery, plain FastStream and the floor, in turns, on the same servers, with verified books.

`python -m tests.bench [--rounds N] [--full] [--json]`. Compare the ratios, not the rates: rates depend on the machine.
Exits with 1 if a contender's books are wrong.
"""

from __future__ import annotations

import argparse
import json
import os

import typer
import uvloop
from rich.console import Console

from infra import local
from infra.cli.actions.hangup import end_like_ctrl_c
from infra.local.progress_notes import progress_notes
from infra.terminal.environment import (
    EXIT_BREACH,
    environment_for,
    leave_exported_addresses,
    one_sentence_on_failure,
    settings_for,
)
from infra.terminal.progress import progress
from infra.terminal.screen import Screen, print_note
from tests.bench import report
from tests.bench.full import FullFindings, FullSizes, full
from tests.bench.ours import BenchFailure
from tests.bench.peers.peer import PeerFailed
from tests.bench.run import Bench, Findings, Sizes


def bench(rounds: int, *, everything: bool, as_json: bool) -> None:
    name = f"bench-{os.getpid()}"
    home = local.default_home()
    console = Screen(stderr=as_json)
    leave_exported_addresses("The benchmark uses only servers that it starts.")
    end_like_ctrl_c()
    with one_sentence_on_failure():
        try:
            local.claim(name, home=home)
            with progress_notes(print_note) as on_step:
                local.up(name, home=home, progress=on_step)
            quick, rest = _run(name, Sizes(rounds=rounds), FullSizes() if everything else None, console)
        except (BenchFailure, PeerFailed) as failure:
            typer.echo(f"Benchmark not finished: {failure}", err=True)
            raise typer.Exit(EXIT_BREACH) from failure
        finally:
            local.down(name, home=home, remove_data=True)
            (home / f"{name}.lock").unlink(missing_ok=True)
    report.show(console, quick, rest)
    if as_json:
        typer.echo(json.dumps(report.as_object(quick, rest), indent=2))


def _run(
    name: str, sizes: Sizes, full_sizes: FullSizes | None, console: Console
) -> tuple[Findings, FullFindings | None]:
    home = local.default_home()
    settings = settings_for(name).model_copy(update={"database": "bench"})
    servers = {server.server: server.pid for server in local.status(name, home=home) if server.pid is not None}
    with progress() as on_progress:
        running = Bench(settings, environment_for(settings), home / name / local.LOGS, on_progress, servers)
        try:
            if full_sizes is None:
                return uvloop.run(running.quick(sizes)), None
            found = uvloop.run(full(running, sizes, full_sizes))
            return found.quick, found
        except (BenchFailure, PeerFailed):
            # The figures measured so far took minutes.
            report.show(console, running.found)
            raise


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--rounds", type=int, choices=range(1, 21), default=3, metavar="N", help="rounds of each contender"
    )
    parser.add_argument(
        "--full", action="store_true", help="also growth, a hot product, memory, more processes, verify"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for programs")
    arguments = parser.parse_args()
    try:
        bench(arguments.rounds, everything=arguments.full, as_json=arguments.json)
    except typer.Exit as ended:
        raise SystemExit(ended.exit_code) from None


if __name__ == "__main__":
    main()
