"""Each login at the broker matches the names that its process needs, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from contracts.wire.envelope import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, SHOP_EVENTS_EXCHANGE, SHOPS_EXCHANGE
from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.operators.broker_logins import role_logins, save_role_logins
from infra.operators.diagnosis_logins import findings_of
from infra.ports.topology import Login
from infra.runtime import roster
from infra.runtime.topology import PARKED, topology_of
from infra.settings import Settings
from infra.shops.logins import shop_binding, shop_login, shop_queue

SETTINGS = Settings.model_construct()
WORKERS = roster.load_all()
TOPOLOGY = topology_of(WORKERS, SETTINGS)
ROLES = role_logins(WORKERS)
EXCHANGES = {exchange.name for exchange in TOPOLOGY.exchanges}
QUEUES = {queue.name for queue in TOPOLOGY.queues}
WORK_QUEUES = {queue for worker in WORKERS for queue in worker.queues}
DELAYS = EXCHANGES - {COMMANDS_EXCHANGE, EVENTS_EXCHANGE, SHOPS_EXCHANGE, SHOP_EVENTS_EXCHANGE, PARKED}
DEFAULT = "amq.default"
PRIVATE = {f"tributary.{purpose}.0123456789abcdef0123456789abcdef" for purpose in ("reply", "listener")}
SHOPS = {shop_queue(shop).name for shop in ("store-a", "store-a.b", "storexa")}
OF_THE_BROKER = {DEFAULT, "amq.topic", "amq.direct", "amq.fanout", "amq.rabbitmq.trace", "amq.gen-1"}
NAMES = EXCHANGES | QUEUES | PRIVATE | SHOPS | OF_THE_BROKER


def beside(names: Iterable[str]) -> set[str]:
    """Names that an expression matches if it is not anchored, or if a dot in it stands for any letter."""
    return {f"x{name}" for name in names} | {f"{name}\nx" for name in names} | {n.replace(".", "-") for n in names}


UNIVERSE = NAMES | beside(NAMES)


def matched(expression: str) -> set[str]:
    """As the broker matches: anywhere in the name."""
    return {name for name in UNIVERSE if re.search(expression, name)}


NEEDS: Mapping[str, tuple[set[str], set[str], set[str]]] = {
    "worker": (set(), {DEFAULT, EVENTS_EXCHANGE, SHOP_EVENTS_EXCHANGE} | DELAYS, WORK_QUEUES),
    "clock": (set(), {EVENTS_EXCHANGE}, set()),
    "api": (PRIVATE, {COMMANDS_EXCHANGE, DEFAULT} | PRIVATE, {EVENTS_EXCHANGE} | PRIVATE),
    "operator": (PRIVATE, {COMMANDS_EXCHANGE, DEFAULT} | PRIVATE, {EVENTS_EXCHANGE} | PRIVATE),
}


def test_every_kind_of_process_has_a_login_of_its_own() -> None:
    assert ROLES.keys() == NEEDS.keys()
    assert {login.name for login in ROLES.values()} == {f"tributary-{role}" for role in NEEDS}
    assert len(DELAYS) == len(SETTINGS.retry_delays_s)


@pytest.mark.parametrize("role", NEEDS)
def test_a_process_reaches_what_it_needs_and_nothing_else(role: str) -> None:
    configure, write, read = NEEDS[role]

    assert matched(ROLES[role].configure) == configure
    assert matched(ROLES[role].write) == write
    assert matched(ROLES[role].read) == read


def test_a_shop_writes_one_exchange_and_reads_one_queue() -> None:
    login = shop_login("store-a")

    assert (matched(login.configure), matched(login.write)) == (set(), {SHOPS_EXCHANGE})
    assert matched(login.read) == {shop_queue("store-a").name}


def test_a_shops_id_is_no_expression() -> None:
    """Its dots are dots: store.a reads nothing of store-a."""
    assert matched(shop_login("store.a").read) == set()
    assert matched(shop_login("store-a.b").read) == {shop_queue("store-a.b").name}


def test_no_shop_has_the_login_or_the_queue_of_another_one_or_of_a_process() -> None:
    shops = ("a", "a.events", "a.b", "events", "..", "worker")
    names = [shop_login(shop).name for shop in shops] + [login.name for login in ROLES.values()]
    queues = [shop_queue(shop).name for shop in shops]

    assert len(set(names)) == len(names)
    assert len(set(queues)) == len(queues)
    assert not set(queues) & QUEUES


def test_shops_reach_commands_of_shops_alone() -> None:
    from_shops = {
        (worker.queue_of(handler), payload.message_type)
        for worker in WORKERS
        for handler in worker.handlers
        for payload in handler.payloads
        if payload.from_shops
    }
    bound = {(b.queue, b.routing_key) for b in TOPOLOGY.bindings if b.exchange == SHOPS_EXCHANGE}

    assert bound == from_shops
    assert {queue for queue, _ in bound} == {
        f"order_intake.order.{verb}" for verb in ("place", "update-status", "refund", "after-sale")
    }


def test_nothing_is_bound_to_what_shops_read_but_their_own_queues() -> None:
    assert [b for b in TOPOLOGY.bindings if b.exchange == SHOP_EVENTS_EXCHANGE] == []
    assert shop_binding("a.b").routing_key == "a.b"
    assert next(e.type for e in TOPOLOGY.exchanges if e.name == SHOP_EVENTS_EXCHANGE) == "direct"


async def test_a_role_that_does_not_exist_gets_no_login() -> None:
    with pytest.raises(ValueError, match="no kind of process is called gardener; there are worker, clock, api"):
        await save_role_logins(BrokerAdmin("http://127.0.0.1:1"), WORKERS, {"gardener": "x"})


class TestDoctor:
    BY_NAME: Mapping[str, Login] = {login.name: login for login in ROLES.values()}

    def found(self, *logins: Login, **others: Login | None) -> list[tuple[str, str]]:
        found: dict[str, Login | None] = {login.name: login for login in logins}
        return [(each.level, each.detail) for each in findings_of({**found, **others}, self.BY_NAME)]

    def test_all_as_declared_is_ok(self) -> None:
        assert self.found(*ROLES.values(), shop_login("a"), shop_login("b")) == [
            ("ok", "4 of processes and 2 of shops are as declared.")
        ]

    def test_one_login_for_all_processes_is_ok_and_names_the_alternative(self) -> None:
        [(level, detail)] = self.found(shop_login("a"), tributary=None)

        assert level == "ok"
        assert "1 of shops" in detail
        assert "TRIBUTARY_BROKER_PASSWORDS" in detail

    def test_a_missing_one_is_a_warning(self) -> None:
        worker, clock, api, _ = ROLES.values()

        assert self.found(worker, clock, api)[0][0] == "warning"
        assert "tributary-operator" in self.found(worker, clock, api)[0][1]

    @pytest.mark.parametrize("changed", [{"configure": ".*"}, {"write": ".*"}, {"read": "^shop"}])
    @pytest.mark.parametrize(("login", "mend"), [(ROLES["api"], "topology --apply"), (shop_login("a"), "create-shop")])
    def test_another_permission_is_a_problem_with_what_to_do(
        self, login: Login, mend: str, changed: dict[str, str]
    ) -> None:
        others = [other for other in ROLES.values() if other != login]
        [(level, detail)] = self.found(*others, replace(login, **changed))  # type: ignore[arg-type]

        assert level == "problem"
        assert detail.startswith(f"{login.name} has configure")
        assert mend in detail

    @pytest.mark.parametrize(
        ("more", "named"),
        [({"tags": ("administrator",)}, "administrator"), ({"elsewhere": ("/other", "test")}, "/other, test")],
    )
    @pytest.mark.parametrize("login", [ROLES["worker"], shop_login("a")])
    def test_a_tag_or_another_virtual_host_is_a_problem(self, login: Login, more: dict[str, Any], named: str) -> None:
        others = [other for other in ROLES.values() if other != login]
        [(level, detail)] = self.found(*others, replace(login, **more))

        assert level == "problem"
        assert detail.startswith(f"{login.name} has")
        assert named in detail

    def test_no_permission_at_all_is_a_problem(self) -> None:
        assert self.found(*ROLES.values(), **{"shop.a": None})[0][0] == "problem"

    def test_guest_is_a_problem(self) -> None:
        [(level, detail)] = self.found(*ROLES.values(), guest=None)

        assert level == "problem"
        assert "guest" in detail
