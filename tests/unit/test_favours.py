"""No administrator makes a login for whom they have just favoured: the order of the two steps makes no difference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from api.access.scope import acts_for, require_own_branch
from api.access.writing import Writer
from api.http.preferences import Preferences
from api.http.problems import Problem
from api.identity.accounts.favours import note_favour
from api.identity.accounts.two_persons import Author
from api.identity.accounts.users import Users
from api.identity.model import User
from api.identity.principal import Principal
from api.identity.repository import COLLECTIONS as IDENTITY_COLLECTIONS
from api.identity.repository import USERS
from api.storage.audit_log import AuditLog, Entry
from api.storage.repository import COLLECTIONS
from contracts.network.v1 import MoveDistributor
from contracts.network.view import DISTRIBUTORS, TEAMS, Distributor
from contracts.orders.v1 import UpdateStatus
from contracts.orders.v2 import PlaceOrder
from contracts.orders.view import ORDERS
from contracts.settlement.view import ADJUSTMENTS
from infra.ports.store import Collection
from tests.builders import a_distributor
from tests.unit.past import distributors_codec
from tests.workflow.in_memory import InMemoryStore, ManualTime

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
TOP, PUPPET, OTHER, BETWEEN = 1, 2, 3, 4


class _Passwords:
    async def hash(self, _: str) -> str:
        return "x"


class _NoGrants:
    async def end_all(self, *_: Any) -> None:
        """No one is logged in."""


class House:
    """The administrators ann and bob; a puppet below the top, who leads team 7 and earns from order s/1."""

    def __init__(self) -> None:
        network = (Collection(name, name) for name in (DISTRIBUTORS, TEAMS, ORDERS, ADJUSTMENTS))
        self.store = InMemoryStore((*COLLECTIONS, *IDENTITY_COLLECTIONS, *network))
        self.time, store = ManualTime(NOW), self.store
        self.audit = AuditLog(store, self.time)  # type: ignore[arg-type]
        self.users = Users(store, _Passwords(), _NoGrants(), self.audit, self.time)  # type: ignore[arg-type]
        for number, sponsor in ((TOP, None), (PUPPET, TOP), (OTHER, TOP)):
            self.knows(a_distributor(number, sponsor))
        store.table(TEAMS).put({"_id": 7, "leaders": [{"leader_id": PUPPET}]})
        store.table(ORDERS).put({"_id": "s/1", "upline": [{"distributor_id": PUPPET}], "team": None})
        store.table(ORDERS).put(
            {"_id": "s/2", "upline": [{"distributor_id": OTHER}], "team": {"leader_id": PUPPET, "team_id": 7}}
        )
        store.table(ADJUSTMENTS).put({"_id": "a-1", "distributor_id": PUPPET})

    def knows(self, distributor: Distributor) -> None:
        self.store.table(DISTRIBUTORS).put(distributors_codec.to_document(distributor))

    async def has_done(self, by: str, action: str, target: str, **after: Any) -> None:
        who = {"kind": "admin", "subject": by, "client": None}
        await self.audit.append(Entry(who, action, target, "r1", after=after))

    async def makes_a_login(self, by: str | None, distributor_id: int = PUPPET) -> User:
        permissions = None if by is None else frozenset({"users:write", "orders:read", "orders:place"})
        author = Author({"kind": "admin", "subject": by}, "r1", by, permissions)
        user, _ = await self.users.create(
            f"{by}@a.example", (), author, password="a long sentence of mine", distributor_id=distributor_id
        )
        return user


FAVOURS: list[tuple[str, str, dict[str, Any]]] = [
    ("distributor.register.v1", "distributor/2", {"distributor_id": PUPPET}),
    ("distributor.change.v1", "distributor/2", {"distributor_id": PUPPET, "tier": "gold"}),
    ("distributor.move.v1", "distributor/2", {"distributor_id": PUPPET, "sponsor_id": TOP}),
    ("distributor.move.v1", "distributor/3", {"distributor_id": OTHER, "sponsor_id": PUPPET}),
    ("team.create.v1", "team/7", {"team_id": 7, "leader_id": PUPPET}),
    ("team.join.v1", "membership/3", {"team_id": 7, "distributor_id": OTHER}),
    ("order.place.v2", "order/s/1", {"distributor_id": PUPPET, "prepaid": True}),
    ("order.update-status.v1", "order/s/1", {"status": "paid"}),
    ("order.update-status.v1", "order/s/2", {"status": "completed"}),
    ("order.after-sale.v1", "order/s/1", {"open": False}),
    ("settlement.adjust.v1", "adjustment/a-9", {"adjustment_id": "a-9", "distributor_id": PUPPET}),
    ("settlement.approve-adjustment.v1", "adjustment/a-1", {"adjustment_id": "a-1"}),
]


@pytest.mark.parametrize(("action", "target", "after"), FAVOURS)
async def test_who_favoured_a_distributor_makes_no_login_for_them(
    action: str, target: str, after: dict[str, Any]
) -> None:
    house = House()
    await house.has_done("ann", action, target, **after)

    with pytest.raises(Problem) as refused:
        await house.makes_a_login("ann")
    assert refused.value.reason == "not_independent"
    # Another administrator does, as does an operator, and after a week so does this one.
    for other in ("bob", None):
        await house.makes_a_login(other)
    house.time.advance_to(NOW + timedelta(days=7))
    await house.makes_a_login("ann")


async def test_nor_do_they_get_a_new_password_of_a_login_that_is_there() -> None:
    house = House()
    user = await house.makes_a_login("bob")
    await house.has_done("ann", "order.update-status.v1", "order/s/1", status="paid")

    author = Author({"kind": "admin", "subject": "ann"}, "r1", "ann", user.permissions)
    with pytest.raises(Problem) as refused:
        await house.users.reset_password(user.id, author)
    assert refused.value.reason == "not_independent"


@pytest.mark.parametrize(
    ("action", "target", "after"),
    [
        ("order.place.v2", "order/s/1", {"distributor_id": PUPPET, "prepaid": False}),
        ("order.update-status.v1", "order/s/1", {"status": "shipped"}),
        ("distributor.change.v1", "distributor/3", {"distributor_id": OTHER, "tier": "gold"}),
    ],
)
async def test_what_is_no_favour_of_theirs_hinders_no_one(action: str, target: str, after: dict[str, Any]) -> None:
    house = House()
    await house.has_done("ann", action, target, **after)
    assert (await house.makes_a_login("ann")).distributor_id == PUPPET
    assert await house.store.find(USERS.name, {"distributor_id": PUPPET})


async def test_who_did_more_than_is_looked_at_makes_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later changes would hide what was done for the distributor."""
    monkeypatch.setattr("api.identity.accounts.favours._LOOKED_AT_MAX", 3)
    house = House()
    await house.has_done("ann", "distributor.move.v1", f"distributor/{PUPPET}", distributor_id=PUPPET, sponsor_id=TOP)
    for _ in range(3):
        await house.has_done("ann", "distributor.change.v1", f"distributor/{OTHER}", distributor_id=OTHER)

    with pytest.raises(Problem, match="not_independent"):
        await house.makes_a_login("ann")
    assert (await house.makes_a_login("bob")).distributor_id == PUPPET


@pytest.mark.parametrize("permissions", [frozenset(), frozenset({"orders:read"}), frozenset({"users:write"})])
async def test_what_a_token_permits_says_nothing_about_who_made_a_login(permissions: frozenset[str]) -> None:
    """A person asks for a token of fewer permissions, or has lost some since."""
    house = House()
    await house.makes_a_login("ann")

    for kind in ("admin", "distributor"):
        ann, bob = (Principal(kind, who, permissions) for who in ("ann", "bob"))
        assert await acts_for(house.store, ann, [TOP, PUPPET], NOW) == {PUPPET}
        assert await acts_for(house.store, bob, [TOP, PUPPET], NOW) == set()
        assert await acts_for(house.store, ann, [PUPPET], NOW + timedelta(days=7)) == set()


class TestAtTheSameMoment:
    """An entry comes after the answer of the workers, and the checks of a command before it is sent."""

    async def noted(self, house: House, by: str, command: Any, key: str = "k-1") -> None:
        await house.store.transact(lambda tx: note_favour(tx, by, key, command, house.time.now()))

    def prepaid(self, seller: int = PUPPET) -> PlaceOrder:
        line = {"product_id": 1, "quantity": 1, "amount": "9999.00"}
        order = {"shop_id": "s", "order_id": "new", "distributor_id": seller, "lines": [line], "prepaid": True}
        return PlaceOrder.model_validate(order)

    async def test_a_login_waits_for_the_entry_of_what_its_maker_has_sent(self) -> None:
        house = House()
        await self.noted(house, "ann", self.prepaid())

        with pytest.raises(Problem, match="not_independent"):
            await house.makes_a_login("ann")
        await house.has_done(
            "ann", "order.place.v2", "order/s/new", **self.prepaid().model_dump(mode="json"), message="k-1"
        )
        with pytest.raises(Problem, match="not_independent"):
            await house.makes_a_login("ann")
        assert (await house.makes_a_login("ann", OTHER)).distributor_id == OTHER
        assert (await house.makes_a_login("bob")).distributor_id == PUPPET

    async def test_a_refused_command_has_no_entry_and_delays_a_login_for_a_moment(self) -> None:
        house = House()
        await self.noted(house, "ann", self.prepaid(OTHER))
        with pytest.raises(Problem, match="not_independent"):
            await house.makes_a_login("ann")
        house.time.advance_to(NOW + timedelta(seconds=31))
        assert (await house.makes_a_login("ann")).distributor_id == PUPPET

    @pytest.mark.parametrize(
        ("command", "reason"),
        [
            ("prepaid", "own_earnings"),
            (UpdateStatus(shop_id="s", order_id="1", status="paid"), "own_earnings"),
            (MoveDistributor(distributor_id=OTHER, sponsor_id=PUPPET), "own_standing"),
        ],
    )
    async def test_a_command_sees_the_login_that_was_made_after_its_checks(self, command: Any, reason: str) -> None:
        house = House()
        command = self.prepaid() if command == "prepaid" else command
        await house.makes_a_login("ann")

        await self.noted(house, "bob", command)
        with pytest.raises(Problem) as refused:
            await self.noted(house, "ann", command)
        assert refused.value.reason == reason

    @pytest.mark.parametrize(("kind", "refused"), [("admin", True), ("distributor", True), ("shop", False)])
    async def test_what_a_person_sends_is_noted_whatever_the_token_permits(self, kind: Any, *, refused: bool) -> None:
        """Who asked for a token without users:write has another one for the login."""
        house = House()
        ports: Any = SimpleNamespace(store=house.store, time=house.time)
        ann = Principal(kind, "ann", frozenset({"orders:write", "orders:fulfil"}), shop_id="s")
        writer = Writer(None, ports, ann, Preferences(), "k-1")  # type: ignore[arg-type]
        await writer._record("k-1", self.prepaid(), "r1", None)

        if refused:
            with pytest.raises(Problem, match="not_independent"):
                await house.makes_a_login("ann")
        else:
            await house.makes_a_login("ann")

    async def test_what_favours_no_one_is_not_noted(self) -> None:
        house = House()
        shipped = UpdateStatus(shop_id="s", order_id="1", status="shipped")
        await self.noted(house, "ann", shipped)
        await self.noted(house, "ann", self.prepaid().model_copy(update={"prepaid": False}))
        assert (await house.makes_a_login("ann")).distributor_id == PUPPET


class TestOwnBranch:
    """PUPPET is an administrator too, and would be paid for what those below them sell."""

    LATER, EARLIER = NOW + timedelta(days=9999), NOW - timedelta(days=9)

    async def gains(self, house: House, above: int, moved: int, since: datetime | None = None) -> bool:
        own = Principal("admin", "ann", frozenset(), distributor_id=PUPPET)
        try:
            await require_own_branch(house.store, own, above, moved, since, NOW)
        except Problem as problem:
            return problem.reason == "own_standing"
        return False

    @pytest.mark.parametrize("moves", [[], [(LATER, TOP)], [(EARLIER, TOP)]])
    async def test_a_plan_for_those_between_makes_no_difference(self, moves: list[tuple[datetime, int | None]]) -> None:
        """Else they would plan that the one between leaves them in fifty years, or end it a moment before."""
        house = House()
        house.knows(a_distributor(BETWEEN, PUPPET, moves=moves))
        assert await self.gains(house, BETWEEN, OTHER)

    @pytest.mark.parametrize(
        ("moves", "gains"),
        [([], False), ([(LATER, TOP)], True), ([(EARLIER, TOP)], True), ([(LATER, TOP), (LATER, PUPPET)], False)],
    )
    async def test_within_their_branch_they_move_who_stays_in_it(
        self, moves: list[tuple[datetime, int | None]], *, gains: bool
    ) -> None:
        house = House()
        house.knows(a_distributor(BETWEEN, PUPPET))
        house.knows(a_distributor(OTHER, PUPPET, moves=moves))
        assert await self.gains(house, BETWEEN, OTHER) is gains

    async def test_a_move_with_effect_from_the_past_is_judged_by_it(self) -> None:
        house = House()
        house.knows(a_distributor(BETWEEN, PUPPET))
        house.knows(a_distributor(OTHER, TOP, moves=[(NOW - timedelta(days=1), PUPPET)]))
        assert not await self.gains(house, BETWEEN, OTHER)
        assert await self.gains(house, BETWEEN, OTHER, self.EARLIER)


async def test_a_planned_move_hides_no_favour() -> None:
    house = House()
    house.knows(a_distributor(BETWEEN, PUPPET, moves=[(NOW + timedelta(days=9999), TOP)]))
    await house.has_done("ann", "distributor.move.v1", "distributor/3", distributor_id=OTHER, sponsor_id=BETWEEN)
    with pytest.raises(Problem, match="not_independent"):
        await house.makes_a_login("ann")
