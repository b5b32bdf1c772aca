"""The embedded stack: real RabbitMQ, MongoDB and Redis on private loopback ports, without Docker.

A stack has a name and keeps its record, data and logs in `home/<name>`. Stacks do not affect one another or the
system's own servers: each has its own ports, node names and folders, and stops only processes that it started.
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
