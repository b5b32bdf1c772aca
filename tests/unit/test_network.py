"""The network: shops keep their currency, distributors join below a known sponsor, and history stays."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.network.v1 import (
    ChangeDistributor,
    DistributorChanged,
    DistributorRefused,
    DistributorRegistered,
    RegisterDistributor,
    RegisterShop,
    ShopRefused,
    ShopRegistered,
)
from contracts.network.view import Distributor, Sponsorship
from contracts.wire.decision import Decision, NotYet
from tests.builders import JOINED, MIDDLE, NOW, SELLER, SHOP, TOP, a_distributor, a_shop, a_standing, by_id, message
from workers.network.decide import change_distributor, register_distributor, register_shop
from workers.network.model import State

A_DAY = timedelta(days=1)


def a_network(*distributors: Distributor) -> State:
    return State(distributors=by_id(*distributors))


def join(distributor_id: int = SELLER, sponsor_id: int | None = MIDDLE, **fields: Any) -> RegisterDistributor:
    return RegisterDistributor(distributor_id=distributor_id, sponsor_id=sponsor_id, **fields)


def change(distributor_id: int = SELLER, **fields: Any) -> ChangeDistributor:
    return ChangeDistributor(distributor_id=distributor_id, **fields)


def refused(reason: str, detail: str, state: State) -> Decision[State]:
    event = DistributorRefused(distributor_id=SELLER, reason=reason, detail=detail)
    return Decision(state, (event,), "refused")


class TestShops:
    COMMAND = RegisterShop(shop_id=SHOP, currency="CNY")
    KNOWN = State(shops={SHOP: a_shop()})

    def test_a_shop_is_registered_with_its_currency_and_deadline(self) -> None:
        event = ShopRegistered(shop_id=SHOP, currency="CNY", payment_deadline_s=1800)

        assert register_shop(State(), message(self.COMMAND)) == Decision(self.KNOWN, (event,), "registered")

    def test_a_second_registration_can_change_only_the_deadline(self) -> None:
        faster = RegisterShop(shop_id=SHOP, currency="CNY", payment_deadline_s=60)
        event = ShopRegistered(shop_id=SHOP, currency="CNY", payment_deadline_s=60)

        assert register_shop(self.KNOWN, message(self.COMMAND)) == Decision(self.KNOWN, outcome="unchanged")
        assert register_shop(self.KNOWN, message(faster)) == Decision(
            State(shops={SHOP: a_shop(payment_deadline_s=60)}), (event,), "registered"
        )

    def test_a_shop_may_change_its_market(self) -> None:
        command = RegisterShop(shop_id=SHOP, currency="CNY", market="cn_direct")
        event = ShopRegistered(shop_id=SHOP, currency="CNY", payment_deadline_s=1800, market="cn_direct")
        after = State(shops={SHOP: a_shop(market="cn_direct")})

        assert register_shop(self.KNOWN, message(command)) == Decision(after, (event,), "registered")

    def test_a_shop_keeps_its_currency(self) -> None:
        detail = "currency: shop shop-1 sells in CNY; register another shop for JPY."
        event = ShopRefused(shop_id=SHOP, reason="conflict", detail=detail)

        assert register_shop(self.KNOWN, message(RegisterShop(shop_id=SHOP, currency="JPY"))) == Decision(
            self.KNOWN, (event,), "refused"
        )


class TestJoining:
    def test_a_distributor_at_the_top_has_no_sponsor(self) -> None:
        event = DistributorRegistered(distributor_id=TOP, tier="standard", joined_at=JOINED)
        command = join(TOP, None, joined_at=JOINED)

        assert register_distributor(State(), message(command)) == Decision(
            a_network(a_distributor(TOP)), (event,), "registered"
        )

    def test_the_default_date_is_the_messages_time(self) -> None:
        joined = register_distributor(State(), message(join(TOP, None))).state.distributors[TOP]

        assert (joined.standings[0].since, joined.sponsors) == (NOW, (Sponsorship(NOW),))

    def test_the_sponsors_own_upline_is_not_copied(self) -> None:
        state = a_network(a_distributor(MIDDLE, TOP))
        command = join(tier="gold", joined_at=JOINED)
        event = DistributorRegistered(distributor_id=SELLER, sponsor_id=MIDDLE, tier="gold", joined_at=JOINED)
        after = state.with_distributor(a_distributor(SELLER, MIDDLE, standings=[a_standing(tier="gold")]))

        assert register_distributor(state, message(command)) == Decision(after, (event,), "registered")

    def test_a_repeated_registration_changes_nothing(self) -> None:
        state = a_network(a_distributor(SELLER, MIDDLE))

        assert register_distributor(state, message(join())) == Decision(state, outcome="duplicate")

    def test_a_repeat_with_another_tier_is_refused(self) -> None:
        state = a_network(a_distributor(SELLER, MIDDLE))
        detail = (
            "distributor_id: 3 was registered with tier standard, joined at 2026-01-01T00:00:00+00:00, which stays; to "
            "change the tier, change the distributor."
        )

        assert register_distributor(state, message(join(tier="gold"))) == refused("conflict", detail, state)

    def test_a_repeat_after_a_move_changes_nothing(self) -> None:
        state = a_network(a_distributor(SELLER, MIDDLE, moves=[(NOW, TOP)]))

        assert register_distributor(state, message(join())) == Decision(state, outcome="duplicate")

    @pytest.mark.parametrize(("known", "sponsor"), [(TOP, "sponsor 1"), (None, "sponsor none")])
    def test_a_repeat_with_another_sponsor_is_refused(self, known: int | None, sponsor: str) -> None:
        state = a_network(a_distributor(SELLER, known))
        detail = f"distributor_id: 3 was registered under {sponsor}; to change that, move the distributor."

        assert register_distributor(state, message(join())) == refused("conflict", detail, state)

    def test_a_distributor_cannot_sponsor_itself(self) -> None:
        command = message(join(SELLER, SELLER))
        detail = "sponsor_id: a distributor cannot sponsor themselves."

        assert register_distributor(State(), command) == refused("own_sponsor", detail, State())

    def test_an_unknown_sponsor_is_retried(self) -> None:
        detail = "sponsor_id: distributor 2 is not registered."
        otherwise = refused("sponsor_unknown", detail, State())

        assert register_distributor(State(), message(join())) == NotYet("sponsor_unknown", otherwise)


class TestChanges:
    NETWORK = a_network(a_distributor(SELLER))

    @pytest.mark.parametrize(
        ("fields", "tier", "active"),
        [
            ({"tier": "gold"}, "gold", True),
            ({"active": False}, "standard", False),
            ({"tier": "gold", "active": False}, "gold", False),
        ],
    )
    def test_a_change_begins_a_new_standing_and_keeps_absent_fields(
        self, fields: dict[str, Any], tier: str, active: bool
    ) -> None:
        event = DistributorChanged(distributor_id=SELLER, tier=tier, active=active, effective_at=NOW)
        after = a_network(a_distributor(SELLER, standings=[a_standing(), a_standing(NOW, tier, active)]))

        assert change_distributor(self.NETWORK, message(change(**fields))) == Decision(after, (event,), "changed")

    def test_a_change_applies_from_its_effective_time(self) -> None:
        tomorrow = NOW + A_DAY
        known = change_distributor(self.NETWORK, message(change(tier="gold", effective_at=tomorrow))).state

        seller = known.distributors[SELLER]
        assert [seller.standing_at(at).tier for at in (NOW, tomorrow, JOINED - A_DAY)] == [
            "standard",
            "gold",
            "standard",
        ]

    def test_a_repeated_change_is_a_duplicate(self) -> None:
        once = change_distributor(self.NETWORK, message(change(tier="gold"))).state

        assert change_distributor(once, message(change(tier="gold"), id="resent")) == Decision(
            once, outcome="duplicate"
        )

    @pytest.mark.parametrize("fields", [{"tier": "standard"}, {"active": True}, {}])
    def test_a_change_to_the_current_values_changes_nothing(self, fields: dict[str, Any]) -> None:
        command = message(change(**fields))

        assert change_distributor(self.NETWORK, command) == Decision(self.NETWORK, outcome="unchanged")

    @pytest.mark.parametrize("every", [timedelta(0), A_DAY])
    def test_an_earlier_value_may_return(self, every: timedelta) -> None:
        """Even at one moment, where the last change applies."""
        state = self.NETWORK
        for number, active in enumerate((False, True, False)):
            command = message(change(active=active, effective_at=NOW + number * every))
            decision = change_distributor(state, command)
            assert decision.outcome == "changed"
            state = decision.state

        assert not state.distributors[SELLER].standing_at(NOW + 2 * every).active

    def test_a_repeat_of_an_earlier_change_is_a_duplicate(self) -> None:
        first = message(change(active=False, effective_at=NOW))
        state = change_distributor(self.NETWORK, first).state
        state = change_distributor(state, message(change(tier="gold", effective_at=NOW + A_DAY))).state

        assert change_distributor(state, first) == Decision(state, outcome="duplicate")

    def test_history_is_not_rewritten(self) -> None:
        state = a_network(a_distributor(SELLER, standings=[a_standing(), a_standing(NOW, "gold")]))
        detail = "effective_at: a change holds from 2026-11-02T09:30:00+00:00 already; give a later time."

        assert change_distributor(state, message(change(active=False, effective_at=NOW - A_DAY))) == refused(
            "out_of_order", detail, state
        )

    def test_an_unknown_distributor_is_retried(self) -> None:
        detail = "distributor_id: distributor 3 is not registered."
        otherwise = refused("distributor_unknown", detail, State())

        assert change_distributor(State(), message(change(tier="gold"))) == NotYet("distributor_unknown", otherwise)
