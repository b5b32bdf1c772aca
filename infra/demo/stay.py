"""A demo that stays: workers, clock and API continue in the background, with a login for each role.

They are programs of the stack, `tributary work all` and `tributary api`: each restarts its processes that die, and
`tributary down` ends them.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path

from contracts.network.view import DISTRIBUTORS
from infra import local
from infra.adapters import rabbitmq as broker
from infra.adapters.mongo import MongoStore
from infra.demo.mail import MailBox
from infra.local import ports
from infra.local.process import ProcessMark, is_running
from infra.processes import api_entry
from infra.runtime import roster
from infra.settings import Settings
from infra.telemetry import logs

_PORT = 8080
"""The API's port, if it is free."""

_API_PROCESSES = 2
"""Uvicorn restarts a process that dies only if there are several."""

_READY_WITHIN_S = 90.0
_POLL_S = 0.25


class NotServingError(Exception):
    """A program of the demo does not become ready; the text names it and its log."""


@dataclass(frozen=True, slots=True)
class Login:
    """An e-mail address and its password, or a shop's client id and its secret."""

    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The API of a kept demo and its logins. The secrets are stored only as hashes in the database."""

    stack: str
    api: str
    admin: Login
    distributor: Login
    distributor_id: int
    shop: Login
    mail_box: MailBox

    @property
    def docs(self) -> str:
        return f"{self.api}/docs"

    def variables(self) -> tuple[dict[str, str], ...]:
        """The shell variables of the tutorial's commands, grouped by login."""
        return (
            {"API": self.api, "DEMO": self.stack, "MAIL": self.mail_box.page},
            {"TRIBUTARY_DELIVERY_SECRET": self.mail_box.delivery_secret},
            {"ADMIN": self.admin.name, "ADMIN_PASSWORD": self.admin.secret},
            {
                "DISTRIBUTOR": self.distributor.name,
                "DISTRIBUTOR_PASSWORD": self.distributor.secret,
                "DISTRIBUTOR_ID": str(self.distributor_id),
            },
            {"SHOP_CLIENT_ID": self.shop.name, "SHOP_CLIENT_SECRET": self.shop.secret},
        )


@dataclass(slots=True)
class Staying:
    """The programs of a stack that stays: the workers start with the demo, the API after it."""

    settings: Settings
    stack: str
    home: Path
    environment: Mapping[str, str]
    mail_box: MailBox
    marks: dict[str, ProcessMark] = field(default_factory=dict)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Start the workers and the clock, which do not end with the demo."""
        # Other workers on this machine may use the default health ports.
        self._start("workers", "work", "all", TRIBUTARY_HEALTH_PORT="0")
        yield

    async def open(self, earners: Sequence[int], order: str) -> Kept:
        """Start the API, create the logins, and return when everything serves. Raises NotServingError.

        The first of `earners`, distributors with commissions, gets a login, and so does the shop of `order`.
        """
        port = ports.choose(["api"], {"api": _PORT})["api"]
        api = f"http://{ports.LOOPBACK}:{port}"
        self._start("api", "api", "--port", str(port), "--workers", str(_API_PROCESSES), TRIBUTARY_PUBLIC_URL=api)
        distributor_id = earners[0] if earners else await _any_distributor(self.settings)
        # The heads of the audit log, lines of level info, would stand among the demo's own.
        logs.configure("warning")
        async with api_entry.operations(self.settings) as operations:
            admin, distributor = _new_login("admin"), _new_login("distributor")
            await operations.create_admin(admin.name, admin.secret)
            await operations.create_distributor_login(distributor.name, distributor_id, distributor.secret)
            shop = Login(*await operations.create_shop(order.partition("/")[0]))
        await self._until_serving(port)
        return Kept(self.stack, api, admin, distributor, distributor_id, shop, self.mail_box)

    def _start(self, program: str, *words: str, **settings: str) -> None:
        argv = (sys.executable, "-m", "infra.cli.app", *words)
        env = {**self.environment, **settings}
        self.marks[program] = local.start_program(
            self.stack, program, argv, home=self.home, env=env, version=version("tributary")
        )

    async def _until_serving(self, port: int) -> None:
        """Wait until every queue has a consumer and the API is ready."""
        queues = [queue for worker in roster.load_all() for queue in worker.queues]
        deadline = time.monotonic() + _READY_WITHIN_S
        while True:
            depths = await broker.depths(self.settings.rabbitmq_url, queues)
            ready = {
                "workers": all(depth is not None and depth.consumers for depth in depths.values()),
                "api": await asyncio.to_thread(_is_ready, port),
            }
            if all(ready.values()):
                return
            for program, mark in self.marks.items():
                if not ready[program] and (time.monotonic() > deadline or not is_running(mark)):
                    log = self.home / self.stack / local.LOGS / f"{program}.log"
                    raise NotServingError(f"the program {program!r} does not become ready; read {log}")
            await asyncio.sleep(_POLL_S)


def _new_login(who: str) -> Login:
    return Login(f"{who}@example.com", secrets.token_urlsafe(15))


async def _any_distributor(settings: Settings) -> int:
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        [found] = await store.find(DISTRIBUTORS, {}, sort=(("_id", -1),), limit=1)
        return int(found["_id"])
    finally:
        store.close()


def _is_ready(port: int) -> bool:
    connection = HTTPConnection(ports.LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        answer = json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return not answer.get("lacks", True) and not answer.get("degraded", True)
