"""Tributary compared with Celery, plain FastStream and the floor, in turns, on the same servers, with verified books.

`python -m tests.bench [--rounds N] [--full] [--json]`. Compare the ratios, not the rates: rates depend on the machine.
`--closing N …` only measures how fast settlement closes. Exits with 1 if a contender's books are wrong.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

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
from tests.bench import report, report_closing
from tests.bench.closing import ClosingSizes
from tests.bench.closing import closing as closed_periods
from tests.bench.full import FullSizes, full
from tests.bench.ours import BenchFailure
from tests.bench.peers.peer import PeerFailed
from tests.bench.run import Bench, Sizes

Reported = tuple[Callable[[Console], None], dict[str, Any]]
"""How the findings are shown, and their fields."""


def bench(rounds: int, *, everything: bool, closing: Sequence[int], as_json: bool) -> None:
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
            if closing:
                show, fields = _run_closing(name, ClosingSizes(closing))
            else:
                show, fields = _run(name, Sizes(rounds=rounds), FullSizes() if everything else None, console)
        except (BenchFailure, PeerFailed) as failure:
            typer.echo(f"Benchmark not finished: {failure}", err=True)
            raise typer.Exit(EXIT_BREACH) from failure
        finally:
            local.down(name, home=home, remove_data=True)
            (home / f"{name}.lock").unlink(missing_ok=True)
    show(console)
    if as_json:
        typer.echo(json.dumps(fields, indent=2))


def _run(name: str, sizes: Sizes, full_sizes: FullSizes | None, console: Console) -> Reported:
    found = None
    with _bench(name) as running:
        try:
            if full_sizes is None:
                quick = uvloop.run(running.quick(sizes))
            else:
                found = uvloop.run(full(running, sizes, full_sizes))
                quick = found.quick
        except (BenchFailure, PeerFailed):
            # The figures measured so far took minutes.
            report.show(console, running.found)
            raise
    return partial(report.show, found=quick, full=found), report.as_object(quick, found)


def _run_closing(name: str, sizes: ClosingSizes) -> Reported:
    with _bench(name) as running:
        found = uvloop.run(closed_periods(running, sizes))
    return partial(report_closing.show, found=found), report_closing.as_object(found)


@contextmanager
def _bench(name: str) -> Iterator[Bench]:
    home = local.default_home()
    settings = settings_for(name).model_copy(update={"database": "bench"})
    servers = {server.server: server.pid for server in local.status(name, home=home) if server.pid is not None}
    with progress() as on_progress:
        yield Bench(settings, environment_for(settings), home / name / local.LOGS, on_progress, servers)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--rounds", type=int, choices=range(1, 21), default=3, metavar="N", help="rounds of each contender"
    )
    parser.add_argument(
        "--full", action="store_true", help="also growth, a hot product, memory, more processes, verify"
    )
    parser.add_argument(
        "--closing",
        type=int,
        nargs="+",
        default=(),
        metavar="N",
        help="only measure how settlement closes N accounts with ten postings each, for every N given",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for programs")
    arguments = parser.parse_args()
    try:
        bench(arguments.rounds, everything=arguments.full, closing=arguments.closing, as_json=arguments.json)
    except typer.Exit as ended:
        raise SystemExit(ended.exit_code) from None


if __name__ == "__main__":
    main()
