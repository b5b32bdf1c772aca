"""Who may do what at the broker: one login for each kind of process; shops have theirs from `infra.shops`.

Permissions are regular expressions over names, which the broker matches anywhere unless they are anchored. Only an
administrator configures anything, except for queues that end with their connection: a login that declares a queue could
have it pass its messages on to any exchange.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from contracts.wire.envelope import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, SHOP_EVENTS_EXCHANGE
from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.ports.topology import Login
from infra.runtime.failure_policy import DELAY_PREFIX
from infra.runtime.worker import Worker
from infra.shops.logins import NOTHING, only

DEFAULT_EXCHANGE = "amq.default"
PRIVATE = r"tributary\.(reply|listener)\.[0-9a-f]+"
"""Queues of one process, which end with its connection."""


def role_logins(workers: Iterable[Worker]) -> dict[str, Login]:
    """The login of each kind of process, by its role."""
    esc = re.escape
    queues = only(*(rf"{esc(worker.name)}\..+" for worker in workers))
    worker_writes = only(
        esc(DEFAULT_EXCHANGE), esc(EVENTS_EXCHANGE), esc(SHOP_EVENTS_EXCHANGE), rf"{esc(DELAY_PREFIX)}[0-9]+s"
    )
    sends = only(esc(COMMANDS_EXCHANGE), esc(DEFAULT_EXCHANGE), PRIVATE)
    hears = only(esc(EVENTS_EXCHANGE), PRIVATE)
    roles = {
        "worker": ("worker", NOTHING, worker_writes, queues, "workers: read their queues, publish events and retries"),
        "clock": ("clock", NOTHING, only(esc(EVENTS_EXCHANGE)), NOTHING, "the clock: publishes the time"),
        "api": ("api", only(PRIVATE), sends, hears, "the API: sends commands, reads answers and events"),
        "operator": ("operator", only(PRIVATE), sends, hears, "the command line: sends commands and dead letters"),
    }
    return {
        role: Login(f"tributary-{name}", configure, write, read, reason)
        for role, (name, configure, write, read, reason) in roles.items()
    }


async def save_role_logins(admin: BrokerAdmin, workers: Iterable[Worker], passwords: Mapping[str, str]) -> None:
    """Make the logins of these roles, or correct them. Raises BrokerUnavailable, and ValueError for an unknown role."""
    logins = role_logins(workers)
    if unknown := passwords.keys() - logins.keys():
        raise ValueError(f"no kind of process is called {', '.join(sorted(unknown))}; there are {', '.join(logins)}")
    for role, password in passwords.items():
        await admin.save_login(logins[role], password)
