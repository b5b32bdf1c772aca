"""The embedded stack: real RabbitMQ, MongoDB and Redis on private loopback ports, without Docker.

A stack has a name and lives in `home/<name>`: its record, data and logs. Stacks never meet one another or the system's
own servers, because ports, node names and folders are each stack's own, and a process is stopped only if its stack
started it.
"""

from infra.local.errors import StackError
from infra.local.install import install_missing, missing_servers
from infra.local.programs import LOGS, start_program
from infra.local.stack import (
    Endpoints,
    ProgramStatus,
    ServerStatus,
    abandoned_stacks,
    claim,
    default_home,
    down,
    endpoints,
    keep,
    programs,
    recorded_endpoints,
    running_stacks,
    status,
    up,
)

__all__ = [
    "LOGS",
    "Endpoints",
    "ProgramStatus",
    "ServerStatus",
    "StackError",
    "abandoned_stacks",
    "claim",
    "default_home",
    "down",
    "endpoints",
    "install_missing",
    "keep",
    "missing_servers",
    "programs",
    "recorded_endpoints",
    "running_stacks",
    "start_program",
    "status",
    "up",
]
