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

_UNRESPONSIVE_AFTER_S = 10.0
_POLL_S = 0.5
SERVERS: tuple[Server, ...] = (RabbitmqServer(), MongodbServer(), RedisServer())
_SERVER_NAMES = tuple(server.name for server in SERVERS)

MASTER_KEYS = "master.keys"
"""The file of the keys under which a demo seals accounts, within the stack's folder: it goes with what it sealed."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Endpoints:
    """The addresses of a stack's servers, by the settings of these names."""

    rabbitmq_url: str
    mongodb_url: str
    redis_url: str
    rabbitmq_management_url: str


@dataclass(frozen=True)
class ServerStatus:
    """One server of a stack; without pid while it is stopped, without port and version if it never ran.

    It is `running` when it serves clients. If it has a process but does not serve, `complaint` states why.
    """

    server: str
    pid: int | None
    port: int | None
    running: bool
    version: str | None
    complaint: str | None = None


@dataclass(frozen=True)
class ProgramStatus:
    """A program that was started on a stack, by its name or its command; without pid if it has ended."""

    program: str
    pid: int | None


def default_home() -> Path:
    """$TRIBUTARY_HOME, or `.tributary` in the current directory."""
    return Path(os.environ.get("TRIBUTARY_HOME") or ".tributary").absolute()


def up(name: str = "default", *, home: Path, progress: Progress = lambda _: None) -> Endpoints:
    """Start the stack's stopped servers, restart those that do not answer, and return when every server answers.

    The data of the last run is kept, and so are its ports if they are still free. On StackError, everything that this
    call started is stopped again.
    """
    folder = record.folder_of(name, home)
    preflight.prepare(folder)
    with record.locked(folder):
        records = _Records(folder, record.read(folder))
        idle = [server for server in SERVERS if not _serves(server, folder, records.entry(server), progress)]
        if idle:
            _start(idle, folder, records, progress)
        return _endpoints(folder, records.entries)


def down(name: str = "default", *, home: Path, remove_data: bool = False) -> list[str]:
    """Stop every process that was started for this stack, and return their names, our programs first.

    With `remove_data` everything that the stack wrote to its folder is deleted. Raises StackError.
    """
    folder = record.folder_of(name, home)
    if not folder.exists():
        return leftovers.end(folder, (), within_s=STOP_WITHIN_S)
    with record.locked(folder):
        former = record.read(folder)
        servers = {name: entry for name, entry in former.items() if name in _SERVER_NAMES}
        programs = {name: entry for name, entry in former.items() if name not in _SERVER_NAMES}
        # Programs are stopped first, because they need the servers to finish their current batch.
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
    """The state of every server of the stack, after a ping. Raises StackError for a damaged record."""
    entries = record.read(folder := record.folder_of(name, home))
    with ThreadPoolExecutor(len(SERVERS)) as pool:
        return list(pool.map(lambda server: _status(server, folder, entries.get(server.name, ServerRecord())), SERVERS))


def programs(name: str = "default", *, home: Path) -> list[ProgramStatus]:
    """The programs that were started on the stack, recorded or not. Raises StackError for a damaged record."""
    folder = record.folder_of(name, home)
    entries = record.read(folder)
    left = [ProgramStatus(left.command, left.mark.pid) for left in leftovers.leftovers(folder, _recorded(entries))]
    marks = {name: entry.processes.get("program") for name, entry in entries.items() if name not in _SERVER_NAMES}
    return [ProgramStatus(name, mark.pid if mark and is_running(mark) else None) for name, mark in marks.items()] + left


def endpoints(name: str = "default", *, home: Path) -> Endpoints | None:
    """The stack's addresses, or None unless every server is running. Raises StackError for a damaged record."""
    entries = record.read(folder := record.folder_of(name, home))
    serving = all(server.name in entries and is_serving(server, entries[server.name]) for server in SERVERS)
    return _endpoints(folder, entries) if serving else None


def recorded_endpoints(name: str = "default", *, home: Path) -> Endpoints | None:
    """The stack's addresses, running or not; None if it never ran. Raises StackError for a damaged record."""
    entries = record.read(folder := record.folder_of(name, home))
    return _endpoints(folder, entries) if all(server.name in entries for server in SERVERS) else None


def running_stacks(home: Path) -> list[str]:
    """The names of the stacks under `home` with any running process, in alphabetical order."""
    recorded = {path.parent.name for path in home.glob("*/stack.json")}
    marked = {folder.name for folder in leftovers.all_marked() if folder.parent == home.resolve()}
    return sorted(marked | {name for name in recorded if _runs(record.read(record.folder_of(name, home)))})


def abandoned_stacks(home: Path) -> list[str]:
    """The names of the stacks whose demo or benchmark was killed before it could stop them."""
    return sorted(path.parent.name for path in home.glob("*/owner.json") if owner.is_abandoned(path.parent))


def claim(name: str, *, home: Path) -> None:
    """Make this process the stack's owner: if it is killed, the stack and all its later children are found.

    Raises StackError if the stack's folder cannot be written.
    """
    folder = record.folder_of(name, home)
    preflight.prepare(folder)
    owner.claim(folder)
    os.environ.update(leftovers.marked(folder))


def keep(name: str, *, home: Path) -> None:
    """Let the stack continue when this process ends."""
    owner.release(record.folder_of(name, home))


class _Records:
    """The stack's record while servers start in parallel: every change is on disk before the next step."""

    def __init__(self, folder: Path, entries: StackRecord) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self.entries: dict[str, ServerRecord] = dict(entries)

    def entry(self, server: Server) -> ServerRecord:
        return self.entries.get(server.name, ServerRecord())

    def remember(self, name: str, entry: ServerRecord) -> None:
        with self._lock:
            self.entries[name] = entry
            record.write(self._folder, self.entries)


def _start(servers: list[Server], folder: Path, records: _Records, progress: Progress) -> None:
    executables = preflight.executables(servers)
    preflight.require_disk_space(folder)
    abandoned = threading.Event()

    def start(server: Server) -> None:
        progress(f"Starting {server.title} …")
        Startup(server, executables[server.name], folder / server.name, records.remember, abandoned).run(
            records.entry(server)
        )
        progress(f"{server.title} {records.entry(server).version} answers.")

    with ThreadPoolExecutor(len(servers)) as pool:
        starts = [pool.submit(start, server) for server in servers]
        try:
            wait(starts, return_when=FIRST_EXCEPTION)
            _raise_first_failure(starts)
        except BaseException:
            # A server that is still starting stops itself; those that already answer are stopped here.
            abandoned.set()
            wait(starts)
            for server in servers:
                stop_all(records.entry(server))
                records.remember(server.name, replace(records.entry(server), processes={}))
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
    """Whether the server needs no start. On a busy machine it is pinged several times before it counts as hung."""
    if not is_serving(server, entry):
        return False
    deadline = time.monotonic() + _UNRESPONSIVE_AFTER_S
    while (health := server.ping(folder / server.name, entry.ports)).complaint is not None:
        if not health.restart_helps:
            progress(f"{server.title} {health.complaint}.")
            return True
        if time.monotonic() > deadline:
            progress(f"{server.title} runs but {health.complaint}; restarting it …")
            return False
        time.sleep(_POLL_S)
    return True


def _stop(entries: StackRecord) -> list[str]:
    """Stop them in parallel; return the names of those that were running."""
    with ThreadPoolExecutor(max(1, len(entries))) as pool:
        ran = dict(zip(entries, pool.map(stop_all, entries.values()), strict=True))
    return [name for name, had_run in ran.items() if had_run]


def _recorded(entries: StackRecord) -> list[ProcessMark]:
    return [mark for entry in entries.values() for mark in entry.processes.values()]


def _runs(entries: Mapping[str, ServerRecord]) -> bool:
    return any(is_running(mark) for entry in entries.values() for mark in entry.processes.values())


def _remove(folder: Path) -> None:
    """Delete only the stack's own files; anything else in the folder is kept."""
    for name in (*_SERVER_NAMES, LOGS):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("stack.json", MASTER_KEYS):
        (folder / name).unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
