"""Nemesis on real servers: a steady load of real orders, one fault after the other, and all data checked each time.

    python -m tests.faults.nemesis                      every fault; writes docs/reliability.md
    python -m tests.faults.nemesis --only rabbitmq-kill kill-workers
    python -m tests.faults.nemesis --list

Exits with 0 only if no message was lost, nothing counts twice, and every invariant holds after every fault.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.status import Status

from infra import local
from infra.cli.actions.hangup import end_like_ctrl_c
from infra.terminal.environment import leave_exported_addresses
from tests.faults.nemesis_bench import Bench
from tests.faults.nemesis_document import write_document
from tests.faults.nemesis_fault import Fault
from tests.faults.nemesis_faults import FAULTS
from tests.faults.nemesis_report import as_object, line, print_table
from tests.faults.nemesis_stage import QUICK_GROUPS, Stage
from tests.faults.nemesis_trial import Plan, Result, Trial, trial_environment

ORDERS, ORDERS_QUICK = 300, 120
DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"


class Nemesis:
    """Runs trials one after another on servers of its own. Use it as `async with`."""

    def __init__(self, orders: int, *, quick: bool, console: Console, home: Path) -> None:
        self.quick = quick
        self.bench = Bench(home, f"faults-{os.getpid()}")
        self._console = console
        self._status = Status("starting", console=console)
        self._stage_of = orders
        self._stage: Stage | None = None
        self._logs = home / f"faults-{os.getpid()}-logs"
        self.failed = False

    async def __aenter__(self) -> Nemesis:
        self._status.start()
        try:
            self._report("starting RabbitMQ, MongoDB and Redis")
            self._logs.mkdir(parents=True, exist_ok=True)
            await self.bench.start()
            self._report(f"preparing the data of {self._stage_of} orders")
            self._stage = await asyncio.to_thread(Stage.of, self._stage_of)
            settings = self.bench.settings("direct", "nemesis_stage")
            await self._stage.prepare(settings, trial_environment(settings), self._logs)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._report("stopping the servers")
        await self.bench.stop()
        if not self.failed:
            shutil.rmtree(self._logs, ignore_errors=True)
        self._status.stop()

    @property
    def stage(self) -> Stage:
        assert self._stage is not None, "use it as `async with`"
        return self._stage

    async def run(self, fault: Fault) -> Result:
        """One trial. Breaches are in the result; only servers that do not start raise an exception."""
        database = f"nemesis_{fault.name.replace('-', '_')}"
        self._report(f"{fault.name}: preparing the servers")
        await self.bench.start_for(fault.servers)
        settings = self.bench.settings(fault.servers, database)
        plan = self._plan(fault)
        trial = Trial(
            name=fault.name,
            settings=settings,
            worker_settings=self.bench.worker_settings(fault.servers, database),
            stage=self.stage,
            plan=plan,
            logs=self._logs / fault.name,
            quick=self.quick,
            bench=self.bench,
            report=lambda text: self._report(f"{fault.name}: {text}"),
        )
        await self.bench.purge(settings, trial.topology)
        result = await trial.run(fault.prepare, fault.act, fault.check)
        self.failed = self.failed or not result.passed
        self._console.print(line(result), highlight=False)
        for breach in result.breaches[:10]:
            self._console.print(f"    [red]{breach}[/]", highlight=False)
        if not result.passed:
            self._console.print(f"    logs: {trial.logs}", highlight=False)
        return result

    def _plan(self, fault: Fault) -> Plan:
        """A quick trial has half the load's time, and fewer processes where no twist needs more."""
        if not self.quick:
            return fault.plan
        plan = fault.quick or replace(fault.plan, load_s=fault.plan.load_s / 2)
        return replace(plan, groups=QUICK_GROUPS) if set(plan.twists) <= {0} else plan

    def _report(self, text: str) -> None:
        self._status.update(text)
        if not self._console.is_terminal and not text.endswith("confirmed"):
            self._console.print(f"[dim]{time.strftime('%H:%M:%S')} {text}[/]", highlight=False)


async def campaign(
    faults: Sequence[Fault], orders: int, *, quick: bool, console: Console
) -> tuple[list[Result], dict[str, str]]:
    """Run the trials; return their results and the versions of the servers."""
    async with Nemesis(orders, quick=quick, console=console, home=local.default_home()) as nemesis:
        return [await nemesis.run(fault) for fault in faults], nemesis.bench.versions()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.nemesis", description=__doc__.split("\n", 1)[0])
    names = [fault.name for fault in FAULTS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="FAULT", help="run these faults alone")
    parser.add_argument("--list", action="store_true", help="list the faults, and end")
    parser.add_argument("--orders", type=int, help=f"orders in each trial (default {ORDERS}, {ORDERS_QUICK} if quick)")
    parser.add_argument("--quick", action="store_true", help="shorter trials")
    parser.add_argument("--json", action="store_true", help="print one JSON object for programs")
    return parser.parse_args()


def main() -> int:
    options = _arguments()
    if options.list:
        for fault in FAULTS:
            print(f"{fault.name:18} {fault.does}")  # noqa: T201
        return 0
    leave_exported_addresses("Faults are made only in servers that this command starts.")
    end_like_ctrl_c()
    faults = [fault for fault in FAULTS if not options.only or fault.name in options.only]
    orders = options.orders or (ORDERS_QUICK if options.quick else ORDERS)
    console = Console(stderr=True)
    # The drivers would log every outage that is made here on purpose.
    for driver in ("aio_pika", "aiormq", "asyncio"):
        logging.getLogger(driver).setLevel(logging.CRITICAL)
    started = time.monotonic()
    results, versions = asyncio.run(campaign(faults, orders, quick=options.quick, console=console))
    seconds = time.monotonic() - started
    if options.json:
        print(json.dumps(as_object(results, seconds), indent=2))  # noqa: T201
    else:
        print_table(results, seconds, Console())
    if len(faults) == len(FAULTS) and not options.quick:
        write_document(DOCUMENT, results, versions, seconds)
        console.print(f"Wrote {DOCUMENT}.", highlight=False)
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Interrupted; everything that was started has been stopped.")
