"""The API as a separate process, and the principals of the tests."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aio_pika
import httpx
from pydantic import SecretStr

from api.identity.accounts.operations import Operations
from api.identity.accounts.users import for_audit
from api.identity.repository import USERS
from api.storage.audit_key import AuditKey
from api.storage.audit_log import AuditLog, Entry
from contracts.network.v1 import RegisterDistributor
from contracts.wire.envelope import COMMANDS_EXCHANGE, Payload
from infra.ports.store import Transaction
from infra.ports.time import RealTime
from tests.builders import message
from tests.connected import forked
from tests.connected.running import Ended, Site, command, free_ports, until

SECRET = "a secret for the tests that is long enough"
PASSWORD = "seven grey herons wade"
_numbers = count(1)


def unique(word: str) -> str:
    return f"{word}-{next(_numbers)}-{secrets.token_hex(3)}"


def an_email() -> str:
    return f"{unique('person')}@example.com"


def a_network() -> str:
    """A client address of its own, so that no other test shares its attempts."""
    return f"10.{secrets.randbelow(250)}.{secrets.randbelow(250)}.{secrets.randbelow(250)}"


@dataclass
class Front:
    """One running API, with the workers behind it."""

    url: str
    log: Path
    site: Site
    environment: dict[str, str]
    process: BaseProcess
    operations: Operations
    """The commands of the command line, without the second that a start takes."""
    secrets_seen: list[str] = field(default_factory=list)
    """Every secret that a test has sent or received: none may be in the log."""

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A client with an address of its own, so that failed logins of other tests do not block it."""
        headers = {"X-Forwarded-For": a_network(), **options.pop("headers", {})}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30, **options)

    async def command(self, *words: str) -> Ended:
        return await command(*words, environment=self.environment)

    async def admin(self, client: httpx.AsyncClient) -> str:
        """An access token of a new administrator."""
        email, one_time = await self.administrator()
        body = {"email": email, "password": one_time, "new_password": PASSWORD}
        answer = await client.post("/api/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        return self.remember(answer.json())["access_token"]

    async def administrator(self) -> tuple[str, str]:
        """A new administrator, as long known as any other: the address, and the one-time password."""
        email = an_email()
        one_time, user_id = await self.operations.create_admin(email, None)
        await self.confirm(user_id)
        assert one_time is not None
        return email, one_time

    async def confirm(self, user_id: str | None) -> None:
        """Leave the user as they are a month after another administrator confirmed them, if one has to."""
        if user_id is None:
            return

        async def work(tx: Transaction) -> None:
            user = await USERS.get(tx, user_id)
            assert user is not None
            made_at = user.created_at - timedelta(days=30)
            after = replace(user, active=True, pending=None, touched=(), created_at=made_at)
            await USERS.replace(tx, after)
            who = {"kind": "operator", "subject": "test", "client": None}
            confirmed = Entry(who, "user.change-confirmed", f"user/{user_id}", user_id, after=for_audit(after))
            await audit.append_in(tx, confirmed)

        audit = AuditLog(self.site.store, RealTime(), AuditKey(SECRET))
        await audit.transact(work)

    async def send(self, *payloads: Payload) -> None:
        """Publish commands at the broker."""
        async with self.site.channel() as channel:
            exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
            for payload in payloads:
                await exchange.publish(aio_pika.Message(message(payload).to_bytes()), payload.message_type)

    async def distributor(self) -> int:
        """A new distributor at the top of the network, without a login."""
        distributor_id = secrets.randbelow(2**40) + 1000
        await self.send(RegisterDistributor(distributor_id=distributor_id))

        async def known() -> bool:
            return bool(await self.site.documents("network.distributors", {"_id": distributor_id}))

        await until(known, what="the distributor is in the network")
        return distributor_id

    async def log_in_as(self, client: httpx.AsyncClient, distributor_id: int) -> tuple[str, dict[str, Any]]:
        """A new login of a distributor: the address, and its tokens. The password is PASSWORD."""
        email = an_email()
        one_time = await self.operations.create_distributor_login(email, distributor_id, None)
        body = {"email": email, "password": one_time, "new_password": PASSWORD}
        answer = await client.post("/api/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        return email, self.remember(answer.json())

    async def invite(self, client: httpx.AsyncClient, **body: int) -> tuple[int, str]:
        """A sponsor, and an invite code of theirs."""
        sponsor_id = await self.distributor()
        _, tokens = await self.log_in_as(client, sponsor_id)
        answer = await client.post("/api/auth/invites", json=body, headers=bearer(tokens["access_token"]))
        assert answer.status_code == 201, answer.text
        self.secrets_seen.append(answer.json()["code"])
        return sponsor_id, answer.json()["code"]

    async def log_line_of(self, answer: httpx.Response) -> dict[str, Any]:
        """The log line of a request; it is written after the answer, so this waits for it."""
        wanted = answer.headers["x-request-id"]

        async def line() -> dict[str, Any] | None:
            found = [line for line in lines_of(self.log) if line.get("request_id") == wanted]
            assert len(found) <= 1, found
            return found[0] if found else None

        found: dict[str, Any] = await until(line, what="the request is in the log")
        return found

    def remember(self, answer: dict[str, Any]) -> dict[str, Any]:
        self.secrets_seen += [answer[name] for name in ("access_token", "refresh_token") if answer.get(name)]
        return answer


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def pkce() -> tuple[str, str]:
    """A verifier and its challenge."""
    verifier = secrets.token_urlsafe(48)
    digest = sha256(verifier.encode()).digest()
    return verifier, urlsafe_b64encode(digest).rstrip(b"=").decode()


def query_of(location: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


@asynccontextmanager
async def serving(site: Site, folder: Path, *, processes: int = 1, **settings: object) -> AsyncIterator[Front]:
    """`tributary api` on a port of its own, stopped at the end with SIGTERM, as an orchestrator does."""
    port = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    environment = site.environment()
    for name, value in {"public_url": url, "identity_secret": SECRET, **settings}.items():
        prefix = "" if name in ("rabbitmq_url", "mongodb_url", "redis_url") else "TRIBUTARY_"
        environment[f"{prefix}{name.upper()}"] = value if isinstance(value, str) else json.dumps(value)
    log = folder / f"api-{port}.log"
    words = ("api", "--port", str(port), "--workers", str(processes))
    process = await asyncio.to_thread(forked.start, words, environment, log, log)
    try:
        async with httpx.AsyncClient(base_url=url, timeout=5) as client:

            async def ready() -> bool:
                assert process.exitcode is None, log.read_text()
                try:
                    return (await client.get("/readyz")).status_code == 200
                except httpx.TransportError:
                    return False

            await until(ready, what="the API is ready", every_s=0.1)
        own = site.settings.model_copy(update={"public_url": url, "identity_secret": SecretStr(SECRET)})
        yield Front(url, log, site, environment, process, Operations(site.store, own, "tests"))
    finally:
        process.terminate()
        await asyncio.to_thread(process.join, 40)
    assert process.exitcode in (0, -signal.SIGTERM), log.read_text()


def lines_of(log: Path) -> list[dict[str, Any]]:
    """The log; every complete line must be a JSON object."""
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]
