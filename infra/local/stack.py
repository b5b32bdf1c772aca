"""The stack as a whole: RabbitMQ, MongoDB and Redis that start and stop together."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from infra.local import leftovers, owner, preflight, record
from infra.local.mongodb_server import MongodbServer
from infra.local.process import ProcessMark, is_running
from infra.local.programs import LOGS
from infra.local.rabbitmq_server import RabbitmqServer
from infra.local.record import ServerRecord, StackRecord
from infra.local.redis_server import RedisServer
from infra.local.server import Server
from infra.local.startup import STOP_WITHIN_S, StartAbandonedError, Startup, is_serving, stop_all

_PATIENCE_S = 10.0
_ASK_AGAIN_S = 0.5
SERVERS: tuple[Server, ...] = (RabbitmqServer(), MongodbServer(), RedisServer())
_SERVER_NAMES = tuple(server.name for server in SERVERS)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Endpoints:
    """Where the servers of a stack answer, as the settings of these names want it."""

    rabbitmq_url: str
    mongodb_url: str
    redis_url: str
    rabbitmq_management_url: str


@dataclass(frozen=True)
class ServerStatus:
    """One server of a stack; without pid while it does not run, without port and version if it never did.

    It is `running` when it serves clients. Where it has a process and does not, `complaint` says why.
    """

    server: str
    pid: int | None
    port: int | None
    running: bool
    version: str | None
    complaint: str | None = None


@dataclass(frozen=True)
class ProgramStatus:
    """A program that was left running on a stack, by its name or its command; without pid when it has ended."""

    program: str
    pid: int | None


def default_home() -> Path:
    """$TRIBUTARY_HOME, or `.tributary` in the current directory."""
    return Path(os.environ.get("TRIBUTARY_HOME") or ".tributary").absolute()


def up(name: str = "default", *, home: Path, progress: Progress = lambda _: None) -> Endpoints:
    """Start what is not running of the stack, restart what does not answer, and return when every server answers.

    Data and, where they are still free, ports are those of the last run. Raises StackError, and then nothing that this
    call started is left running.
    """
    folder = record.folder_of(name, home)
    preflight.prepare(folder)
    with record.locked(folder):
        ledger = _Ledger(folder, record.read(folder))
        idle = [server for server in SERVERS if not _serves(server, folder, ledger.entry(server), progress)]
        if idle:
            _start(idle, folder, ledger, progress)
        return _endpoints(folder, ledger.entries)


def down(name: str = "default", *, home: Path, remove_data: bool = False) -> list[str]:
    """Stop every process that was started for this stack and no other; the names of what ran, programs of ours first.

    With `remove_data` the stack's folder is emptied of everything it put there. Raises StackError.
    """
    folder = record.folder_of(name, home)
    if not folder.exists():
        return leftovers.end(folder, (), within_s=STOP_WITHIN_S)
    with record.locked(folder):
        former = record.read(folder)
        servers = {name: entry for name, entry in former.items() if name in _SERVER_NAMES}
        programs = {name: entry for name, entry in former.items() if name not in _SERVER_NAMES}
        # Programs end first: to finish what they have in hand they need the servers.
        left = leftovers.end(folder, _recorded(former), within_s=STOP_WITHIN_S)
        ran = [*left, *_stop(programs), *_stop(servers)]
        leftovers.end_rest(folder)
        owner.release(folder)
        if remove_data:
            _remove(folder)
        elif former:
            record.write(folder, {server: replace(entry, processes={}) for server, entry in servers.items()})
        return ran


def status(name: str = "default", *, home: Path) -> list[ServerStatus]:
    """Every server of the stack, each asked whether it serves. Raises StackError for a damaged record."""
    entries = record.read(folder := record.folder_of(name, home))
    with ThreadPoolExecutor(len(SERVERS)) as pool:
        return list(pool.map(lambda server: _status(server, folder, entries.get(server.name, ServerRecord())), SERVERS))


def programs(name: str = "default", *, home: Path) -> list[ProgramStatus]:
    """The programs that were left running on the stack, recorded or not. Raises StackError for a damaged record."""
    folder = record.folder_of(name, home)
    entries = record.read(folder)
    left = [ProgramStatus(left.command, left.mark.pid) for left in leftovers.leftovers(folder, _recorded(entries))]
    marks = {name: entry.processes.get("program") for name, entry in entries.items() if name not in _SERVER_NAMES}
    return [ProgramStatus(name, mark.pid if mark and is_running(mark) else None) for name, mark in marks.items()] + left


def endpoints(name: str = "default", *, home: Path) -> Endpoints | None:
    """Where the stack answers, or None unless all of it runs. Raises StackError for a damaged record."""
    entries = record.read(folder := record.folder_of(name, home))
    serving = all(server.name in entries and is_serving(server, entries[server.name]) for server in SERVERS)
    return _endpoints(folder, entries) if serving else None


def recorded_endpoints(name: str = "default", *, home: Path) -> Endpoints | None:
    """Where the stack answers when it runs, or None where it never ran. Raises StackError for a damaged record."""
    entries = record.read(folder := record.folder_of(name, home))
    return _endpoints(folder, entries) if all(server.name in entries for server in SERVERS) else None


def running_stacks(home: Path) -> list[str]:
    """The names of the stacks under `home` of which any process runs, in alphabetical order."""
    recorded = {path.parent.name for path in home.glob("*/stack.json")}
    marked = {folder.name for folder in leftovers.all_marked() if folder.parent == home.resolve()}
    return sorted(marked | {name for name in recorded if _runs(record.read(record.folder_of(name, home)))})


def abandoned_stacks(home: Path) -> list[str]:
    """The names of those that a demo or a benchmark started for itself, and that was killed before it ended them."""
    return sorted(path.parent.name for path in home.glob("*/owner.json") if owner.is_abandoned(path.parent))


def claim(name: str, *, home: Path) -> None:
    """The stack is for this process alone: it, and all it starts from now on, is found when this one is killed.

    Raises StackError where the stack's folder cannot be written.
    """
    folder = record.folder_of(name, home)
    preflight.prepare(folder)
    owner.claim(folder)
    os.environ.update(leftovers.marked(folder))


def keep(name: str, *, home: Path) -> None:
    """The stack stays when this process ends."""
    owner.release(record.folder_of(name, home))


class _Ledger:
    """The record while servers start side by side: every change is on disk before the next step."""

    def __init__(self, folder: Path, entries: StackRecord) -> None:
        self._folder = folder
        self._guard = threading.Lock()
        self.entries: dict[str, ServerRecord] = dict(entries)

    def entry(self, server: Server) -> ServerRecord:
        return self.entries.get(server.name, ServerRecord())

    def remember(self, name: str, entry: ServerRecord) -> None:
        with self._guard:
            self.entries[name] = entry
            record.write(self._folder, self.entries)


def _start(servers: list[Server], folder: Path, ledger: _Ledger, progress: Progress) -> None:
    executables = preflight.executables(servers)
    preflight.require_disk_space(folder)
    abandoned = threading.Event()

    def start(server: Server) -> None:
        progress(f"Starting {server.title} …")
        Startup(server, executables[server.name], folder / server.name, ledger.remember, abandoned).run(
            ledger.entry(server)
        )
        progress(f"{server.title} {ledger.entry(server).version} answers.")

    with ThreadPoolExecutor(len(servers)) as pool:
        starts = [pool.submit(start, server) for server in servers]
        try:
            wait(starts, return_when=FIRST_EXCEPTION)
            _raise_first_failure(starts)
        except BaseException:
            # Those that still start undo themselves; those that already answer are stopped here.
            abandoned.set()
            wait(starts)
            for server in servers:
                stop_all(ledger.entry(server))
                ledger.remember(server.name, replace(ledger.entry(server), processes={}))
            raise


def _raise_first_failure(starts: Iterable[Future[None]]) -> None:
    failures = [start.exception() for start in starts if start.done()]
    for failure in failures:
        if failure is not None and not isinstance(failure, StartAbandonedError):
            raise failure


def _endpoints(folder: Path, entries: StackRecord) -> Endpoints:
    found = [server.urls(folder / server.name, entries[server.name].ports) for server in SERVERS]
    return Endpoints(**{name: url for urls in found for name, url in urls.items()})


def _status(server: Server, folder: Path, entry: ServerRecord) -> ServerStatus:
    mark = entry.processes.get("server")
    pid = mark.pid if mark is not None and is_running(mark) else None
    complaint = "does not listen" if pid else None
    if is_serving(server, entry):
        complaint = server.ping(folder / server.name, entry.ports).complaint
    return ServerStatus(
        server=server.name,
        pid=pid,
        port=entry.ports.get(server.purposes[0]),
        running=pid is not None and complaint is None,
        version=entry.version,
        complaint=complaint,
    )


def _serves(server: Server, folder: Path, entry: ServerRecord, progress: Progress) -> bool:
    """Whether there is nothing to start. A busy machine gets several questions' time before a server counts as hung."""
    if not is_serving(server, entry):
        return False
    deadline = time.monotonic() + _PATIENCE_S
    while (health := server.ping(folder / server.name, entry.ports)).complaint is not None:
        if not health.restart_helps:
            progress(f"{server.title} {health.complaint}.")
            return True
        if time.monotonic() > deadline:
            progress(f"{server.title} runs but {health.complaint}; restarting it …")
            return False
        time.sleep(_ASK_AGAIN_S)
    return True


def _stop(entries: StackRecord) -> list[str]:
    """All of them side by side; the names of those that ran."""
    with ThreadPoolExecutor(max(1, len(entries))) as pool:
        ran = dict(zip(entries, pool.map(stop_all, entries.values()), strict=True))
    return [name for name, had_run in ran.items() if had_run]


def _recorded(entries: StackRecord) -> list[ProcessMark]:
    return [mark for entry in entries.values() for mark in entry.processes.values()]


def _runs(entries: Mapping[str, ServerRecord]) -> bool:
    return any(is_running(mark) for entry in entries.values() for mark in entry.processes.values())


def _remove(folder: Path) -> None:
    """Only what the stack put there: a folder that somebody else uses too keeps the rest."""
    for name in (*_SERVER_NAMES, LOGS):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "stack.json").unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
