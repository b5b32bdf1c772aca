"""Accounts are as the audit log left them: what another hand made or changed in the database is found, nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from api.identity.accounts.operations import Operations
from api.identity.accounts.two_persons import Author
from api.identity.accounts.users import UserChange, Users
from api.identity.model import User
from api.identity.oauth.clients import Clients
from api.identity.passwords import Passwords
from api.identity.repository import CLIENTS, USERS
from api.identity.repository import COLLECTIONS as IDENTITY_COLLECTIONS
from api.storage.audit_key import AuditKey
from api.storage.audit_log import AuditLog
from api.storage.repository import AUDIT, AUDIT_HEAD, COLLECTIONS
from contracts.network.view import DISTRIBUTORS, TEAMS
from contracts.orders.view import ORDERS
from infra.ports.store import Collection
from infra.settings import Settings
from tests.workflow.in_memory import InMemoryStore, ManualTime

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SECRET = "a secret for the tests that is long enough"
PASSWORD = "seven grey herons wade"


class _NoGrants:
    async def end_all(self, *_: Any) -> None:
        """No one is logged in."""


class House:
    """The command line, and the users that administrators manage, over one store."""

    def __init__(self) -> None:
        network = (Collection(name, name) for name in (DISTRIBUTORS, TEAMS, ORDERS))
        self.store = InMemoryStore((*COLLECTIONS, *IDENTITY_COLLECTIONS, *network))
        store: Any = self.store
        self.time = ManualTime(NOW)
        settings = Settings(identity_secret=SecretStr(SECRET))
        audit = AuditLog(store, self.time, AuditKey(SECRET))
        self.passwords = Passwords(1)
        self.users = Users(store, self.passwords, _NoGrants(), audit, self.time)  # type: ignore[arg-type]
        self.operations = Operations(store, settings, "root")
        self.operations._users = self.users
        self.operations._clients = Clients(store, settings, self.time)
        self.operations._audit = audit
        self.operations._time = self.time  # type: ignore[assignment]

    async def breaches(self) -> list[str]:
        return list((await self.operations.verify_audit(())).breaches)

    async def administrators(self) -> tuple[User, User]:
        """The first two, whom the command line makes alone, a month ago."""
        for name in ("ann", "bob"):
            await self.operations.create_admin(f"{name}@example.com", PASSWORD)
        self.time.advance_to(NOW + timedelta(days=30))
        ann, bob = [USERS.entity_of(document) for document in self.store.table(USERS.name).find({})]
        return ann, bob

    def put(self, user: User, **changes: Any) -> None:
        self.store.table(USERS.name).put({**USERS._codec.to_document(replace(user, **changes))})


def author(user: User) -> Author:
    return Author({"kind": "admin", "subject": user.id}, "r1", user.id, user.permissions)


async def test_what_people_and_operators_do_is_no_breach() -> None:
    house = House()
    assert await house.breaches() == []
    ann, bob = await house.administrators()
    assert await house.breaches() == []
    made, _ = await house.users.create("eve@example.com", ("ROLE_ADMIN",), author(ann), password=PASSWORD)
    assert await house.breaches() == []
    assert (await house.users.confirm(made.id, made.version, author(bob)))[0].active
    await house.users.reset_password(made.id, author(ann))
    changed = await house.users.change(bob.id, UserChange(name="Bob", withheld=("audit:read",)), author(ann))
    await house.users.change(bob.id, UserChange(withheld=()), author(ann))
    assert changed.name == "Bob"
    for replaced in (False, False, True, False):
        await house.operations.create_shop("s1", replace=replaced)
        assert await house.breaches() == []
    await house.operations.disable_shop("s1")
    await house.operations.create_client("app", "App", ["https://app.example/back"])
    assert await house.breaches() == []
    await house.operations.create_shop("s1")
    assert await house.breaches() == []


async def test_an_administrator_whom_another_hand_made_is_found() -> None:
    house = House()
    ann, _ = await house.administrators()
    house.put(replace(ann, id="f" * 32, email="eve@example.com"))

    assert await house.breaches() == [f"user {'f' * 32} has rights and no entry: another hand made it"]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"roles": ("ROLE_ADMIN", "ROLE_SHOP")}, "roles"),
        ({"active": False}, "active"),
        ({"email": "eve@example.com"}, "email"),
        ({"granted": ("invites:write",), "distributor_id": 3}, "distributor_id, granted"),
    ],
)
async def test_an_administrator_whom_another_hand_changed_is_found(changes: dict[str, Any], names: str) -> None:
    house = House()
    ann, _ = await house.administrators()
    house.put(ann, **changes)

    [breach] = await house.breaches()
    assert breach.startswith(f"user {ann.id} differs from entry ")
    assert breach.endswith(f" in {names}: another hand changed it")


@pytest.mark.parametrize("granted", [("rules:approve",), ("orders:fulfil",), ("distributors:write", "products:write")])
async def test_a_distributor_whom_another_hand_raised_is_found(granted: tuple[str, ...]) -> None:
    house = House()
    ann, _ = await house.administrators()
    house.store.table(DISTRIBUTORS).put({"_id": 7, "sponsor_id": None})
    made, _ = await house.users.create("d@example.com", ("ROLE_DISTRIBUTOR",), author(ann), distributor_id=7)
    assert await house.breaches() == []
    house.put(made, granted=granted)

    assert len(await house.breaches()) == 1


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"secret_hashes": ("0" * 64, "1" * 64)}, "secrets"),
        ({"granted": ("users:write",)}, "granted"),
        ({"shop_id": "s2"}, "shop_id"),
    ],
)
async def test_a_client_that_another_hand_changed_is_found(changes: dict[str, Any], name: str) -> None:
    house = House()
    await house.operations.create_shop("s1")
    known = CLIENTS.entity_of(house.store.table(CLIENTS.name).find({})[0])
    house.store.table(CLIENTS.name).put(CLIENTS._codec.to_document(replace(known, **changes)))
    changed = f"client shop.s1 differs from its entries in {name}: another hand changed it"
    assert await house.breaches() == [changed]

    house.store.table(CLIENTS.name).put(CLIENTS._codec.to_document(replace(known, id="shop.s9", shop_id="s9")))
    assert "client shop.s9 has no entry: another hand made it" in await house.breaches()


async def test_who_confirms_an_administrator_gets_the_password_and_the_makers_is_void() -> None:
    house = House()
    ann, bob = await house.administrators()
    made, _ = await house.users.create("eve@example.com", ("ROLE_ADMIN",), author(ann), password=PASSWORD)

    confirmed, one_time = await house.users.confirm(made.id, made.version, author(bob))

    assert one_time is not None
    assert confirmed.must_change_password
    assert not await house.passwords.verify(confirmed.password_hash, PASSWORD)
    assert await house.passwords.verify(confirmed.password_hash, one_time)


async def test_the_command_line_states_the_head_of_its_entry() -> None:
    """It has ended when another hand cuts the entry off: only what it stated is left of it."""
    house = House()
    operations = Operations(house.store, Settings(identity_secret=SecretStr(SECRET)), "root")  # type: ignore[arg-type]
    with capture_logs() as lines:
        await operations.note("ledger.rebuilt", "ledger", {})
    [stated] = [(line["number"], line["hash"]) for line in lines if line["event"] == "audit_head"]
    for table in (AUDIT, AUDIT_HEAD):
        [kept] = house.store.table(table.name).find({})
        house.store.table(table.name).remove(kept["_id"])

    breaches = (await operations.verify_audit([stated])).breaches
    assert f"entry 1 with hash {stated[1]} is not in the log" in breaches


async def test_a_further_right_of_an_administrator_keeps_their_password() -> None:
    house = House()
    ann, bob = await house.administrators()
    dana, _ = await house.users.create("dana@example.com", ("ROLE_ADMIN",), author(ann), password=PASSWORD)
    dana, _ = await house.users.confirm(dana.id, dana.version, author(bob))
    dana = await house.users.change(dana.id, UserChange(withheld=("rules:approve",)), author(bob))
    asked = await house.users.change(dana.id, UserChange(withheld=()), author(bob))
    house.time.advance_to(NOW + timedelta(days=40))
    asked = await house.users.change(dana.id, UserChange(withheld=()), author(bob))

    confirmed, one_time = await house.users.confirm(asked.id, asked.version, author(ann))

    assert (one_time, confirmed.password_hash) == (None, dana.password_hash)
    assert "rules:approve" in confirmed.permissions
