"""A token of a user who was switched off changes nothing from that moment on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.identity.model import FIRST_PARTY, Client, User
from api.identity.oauth.clients import Clients
from api.identity.principal import InvalidToken, Principal
from api.identity.repository import CLIENTS, COLLECTIONS, USERS
from api.identity.tokens.standings import READS_KEPT_S, Standings, next_second
from infra.ports.store import StoreUnavailable
from infra.settings import Settings
from tests.workflow.in_memory import InMemoryStore, ManualTime

NOW = datetime(2026, 11, 29, 12, 0, 0, 500_000, tzinfo=UTC)
ANN = User("ann", "ann@example.com", "hash", ("ROLE_ADMIN",), NOW)
LIN = User("lin", "lin@example.com", "hash", ("ROLE_DISTRIBUTOR",), NOW, distributor_id=7)
SHOP = Client("shop.s1", "s1", "shop", NOW, shop_id="s1")
APP = Client("app", "An app", "public", NOW)


def token(holder: User | Client, **changes: Any) -> Principal:
    ids: dict[str, Any] = {
        "client_id": FIRST_PARTY,
        "permissions": holder.permissions,
        "issued_at": float(int(NOW.timestamp())),
    }
    if isinstance(holder, Client):
        return Principal("shop", holder.id, shop_id="s1", roles=("ROLE_SHOP",), **{**ids, **changes})
    kind = "admin" if "ROLE_ADMIN" in holder.roles else "distributor"
    known = {"distributor_id": holder.distributor_id, "roles": holder.roles, **ids}
    return Principal(kind, holder.id, **{**known, **changes})  # type: ignore[arg-type]


class World:
    def __init__(self) -> None:
        self.time = ManualTime(NOW)
        self.store = InMemoryStore(COLLECTIONS)
        self.standings = self.of(active=True)

    def of(self, *, active: bool) -> Standings:
        store: Any = self.store
        return Standings(store, Clients(store, Settings(), self.time), self.time, active=active)

    async def save(self, *holders: User | Client) -> None:
        for holder in holders:
            table: Any = CLIENTS if isinstance(holder, Client) else USERS
            await self.store.transact(lambda tx, table=table, holder=holder: table.replace(tx, holder))  # type: ignore[misc]

    async def refused(self, principal: Principal, *, writes: bool = True) -> bool:
        try:
            await self.standings.current(principal, writes=writes)
        except InvalidToken:
            return True
        return False


@pytest.fixture
async def world() -> World:
    world = World()
    await world.save(ANN, LIN, SHOP)
    return world


@pytest.mark.parametrize("holder", [ANN, LIN, SHOP], ids=lambda holder: holder.id)
async def test_a_holder_in_good_standing_goes_on(world: World, holder: User | Client) -> None:
    principal = token(holder)
    assert await world.standings.current(principal, writes=True) == principal


@pytest.mark.parametrize(
    "changed",
    [
        replace(ANN, active=False),
        replace(ANN, roles=("ROLE_DISTRIBUTOR",), granted=tuple(sorted(ANN.permissions))),
        replace(ANN, not_before=next_second(NOW)),
        replace(LIN, active=False),
        replace(LIN, distributor_id=8),
        replace(SHOP, active=False),
        replace(SHOP, shop_id="s2"),
        replace(SHOP, not_before=next_second(NOW)),
    ],
    ids=str,
)
async def test_a_former_token_writes_nothing_and_soon_reads_nothing(world: World, changed: User | Client) -> None:
    holders: dict[str, User | Client] = {"ann": ANN, "lin": LIN, "shop.s1": SHOP}
    principal = token(holders[changed.id])
    await world.standings.current(principal, writes=False)
    await world.save(changed)
    assert await world.refused(principal)
    # The write has read the store, so a read knows at once too.
    assert await world.refused(principal, writes=False)


async def test_a_read_alone_knows_within_seconds(world: World) -> None:
    await world.standings.current(token(SHOP), writes=False)
    await world.save(replace(SHOP, active=False))
    assert not await world.refused(token(SHOP), writes=False)
    world.time.advance_to(NOW + timedelta(seconds=READS_KEPT_S + 1))
    assert await world.refused(token(SHOP), writes=False)


async def test_an_unknown_holder_is_refused(world: World) -> None:
    assert await world.refused(token(replace(ANN, id="nobody")))
    assert await world.refused(token(replace(SHOP, id="shop.s9")))


async def test_a_person_writes_nothing_through_an_app_that_was_switched_off(world: World) -> None:
    await world.save(APP)
    through = token(LIN, client_id=APP.id)
    assert await world.standings.current(through, writes=True) == through
    await world.save(replace(APP, active=False))
    assert not await world.refused(through, writes=False)
    assert await world.refused(through)
    assert await world.refused(through, writes=False)
    assert not await world.refused(token(LIN))


@pytest.mark.parametrize("client_id", ["nothing", None])
async def test_a_persons_token_of_no_known_client_is_refused(world: World, client_id: str | None) -> None:
    assert await world.refused(token(LIN, client_id=client_id))


async def test_what_was_found_before_does_not_narrow_a_newer_token(world: World) -> None:
    await world.standings.current(token(LIN), writes=False)
    promoted = replace(LIN, granted=("invites:write", "shops:read"), roles=("ROLE_ADMIN", "ROLE_DISTRIBUTOR"))
    await world.save(promoted)
    newer = token(promoted)
    assert await world.standings.current(newer, writes=False) == newer


async def test_permissions_that_were_taken_away_do_not_count(world: World) -> None:
    await world.save(replace(ANN, withheld=("users:write",)))
    current = await world.standings.current(token(ANN), writes=True)
    assert current.permissions == ANN.permissions - {"users:write"}
    fewer = token(ANN, permissions=frozenset({"orders:read"}))
    assert (await world.standings.current(fewer, writes=True)).permissions == {"orders:read"}


async def test_tokens_of_the_same_second_are_distinguished(world: World) -> None:
    not_before = next_second(NOW)
    await world.save(replace(SHOP, not_before=not_before))
    assert await world.refused(token(SHOP))
    assert not await world.refused(token(SHOP, issued_at=not_before.timestamp()))
    again = next_second(NOW, not_before)
    await world.save(replace(SHOP, not_before=again))
    assert await world.refused(token(SHOP, issued_at=not_before.timestamp()))
    assert not await world.refused(token(SHOP, issued_at=again.timestamp()))


async def test_reads_go_on_while_the_store_is_away_and_writes_do_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.standings.current(token(SHOP), writes=False)
    world.time.advance_to(NOW + timedelta(seconds=READS_KEPT_S + 1))

    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailable("away")

    monkeypatch.setattr(world.store, "find", away)
    assert not await world.refused(token(SHOP), writes=False)
    with pytest.raises(StoreUnavailable):
        await world.standings.current(token(SHOP), writes=True)
    with pytest.raises(StoreUnavailable):
        await world.standings.current(token(ANN), writes=False)


async def test_tokens_of_a_provider_are_all_that_is_known() -> None:
    world = World()
    foreign = world.of(active=False)
    assert await foreign.current(token(ANN), writes=True) == token(ANN)
