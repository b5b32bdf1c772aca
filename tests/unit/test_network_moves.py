"""Moving a distributor: history stays, the downline is unchanged, and no cycle arises at any time."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.network.v1 import DistributorMoved, DistributorRefused, MoveDistributor, RegisterDistributor
from contracts.network.view import Distributor, chain_at
from contracts.wire.decision import Decision, NotYet
from tests.builders import JOINED, MIDDLE, NOW, SELLER, TOP, a_distributor, by_id, message, the_chain
from workers.network.decide import move_distributor, register_distributor
from workers.network.model import State, Tree

A_DAY = timedelta(days=1)
OTHER = 4


def a_network(*distributors: Distributor, moves: int = 0) -> State:
    return State(distributors={**the_chain(), **by_id(*distributors)}, tree=Tree(moves=moves))


def move(distributor_id: int = SELLER, sponsor_id: int | None = OTHER, **fields: Any) -> MoveDistributor:
    return MoveDistributor(distributor_id=distributor_id, sponsor_id=sponsor_id, **fields)


def refused(reason: str, detail: str, state: State, distributor_id: int = SELLER) -> Decision[State]:
    event = DistributorRefused(distributor_id=distributor_id, reason=reason, detail=detail)
    return Decision(state, (event,), "refused")


class TestAMove:
    NETWORK = a_network(a_distributor(OTHER, TOP))

    def test_a_move_begins_a_sponsorship_and_keeps_the_former(self) -> None:
        event = DistributorMoved(distributor_id=SELLER, sponsor_id=OTHER, former_sponsor_id=MIDDLE, effective_at=NOW)
        after = a_network(a_distributor(OTHER, TOP), a_distributor(SELLER, MIDDLE, moves=[(NOW, OTHER)]), moves=1)

        assert move_distributor(self.NETWORK, message(move())) == Decision(after, (event,), "moved")

    def test_a_move_to_the_top_leaves_no_sponsor(self) -> None:
        command = move(sponsor_id=None, effective_at=NOW + A_DAY)
        event = DistributorMoved(distributor_id=SELLER, former_sponsor_id=MIDDLE, effective_at=NOW + A_DAY)
        after = a_network(
            a_distributor(OTHER, TOP), a_distributor(SELLER, MIDDLE, moves=[(NOW + A_DAY, None)]), moves=1
        )

        assert move_distributor(self.NETWORK, message(command)) == Decision(after, (event,), "moved")

    def test_a_move_from_the_top_has_no_former_sponsor(self) -> None:
        state = a_network(a_distributor(OTHER))

        decision = move_distributor(state, message(move(OTHER, SELLER)))

        assert decision.publish == (DistributorMoved(distributor_id=OTHER, sponsor_id=SELLER, effective_at=NOW),)

    def test_a_repeated_move_is_a_duplicate(self) -> None:
        once = move_distributor(self.NETWORK, message(move())).state

        again = move_distributor(once, message(move(effective_at=NOW), id="resent", time=NOW + A_DAY))

        assert again == Decision(once, outcome="duplicate")

    def test_a_move_to_the_current_sponsor_changes_nothing(self) -> None:
        assert move_distributor(self.NETWORK, message(move(sponsor_id=MIDDLE))) == Decision(
            self.NETWORK, outcome="unchanged"
        )

    def test_history_is_not_rewritten(self) -> None:
        state = a_network(a_distributor(SELLER, MIDDLE, moves=[(NOW, TOP)]), a_distributor(OTHER))
        detail = "effective_at: a sponsor holds from 2026-11-02T09:30:00+00:00 already; give a later time."

        assert move_distributor(state, message(move(effective_at=NOW - A_DAY))) == refused(
            "out_of_order", detail, state
        )

    def test_a_move_below_oneself_is_refused(self) -> None:
        detail = "sponsor_id: a distributor cannot sponsor themselves."

        assert move_distributor(State(), message(move(SELLER, SELLER))) == refused("own_sponsor", detail, State())

    @pytest.mark.parametrize(
        ("command", "reason", "detail"),
        [
            (move(99, TOP), "distributor_unknown", "distributor_id: distributor 99 is not registered."),
            (move(SELLER, 99), "sponsor_unknown", "sponsor_id: distributor 99 is not registered."),
        ],
    )
    def test_an_unknown_distributor_is_retried(self, command: MoveDistributor, reason: str, detail: str) -> None:
        otherwise = refused(reason, detail, self.NETWORK, command.distributor_id)

        assert move_distributor(self.NETWORK, message(command)) == NotYet(reason, otherwise)


class TestCycles:
    def test_a_move_below_the_own_downline_is_refused(self) -> None:
        state = a_network()
        detail = (
            "sponsor_id: distributor 3 stands below 1 at 2026-11-02T09:30:00+00:00 or later; move 3 out of there first."
        )

        assert move_distributor(state, message(move(TOP, SELLER))) == refused("cycle", detail, state, TOP)

    def test_a_cycle_with_a_future_move_is_refused(self) -> None:
        """4 is below 3 from tomorrow, so 3 cannot move below 4 today."""
        state = a_network(a_distributor(OTHER, TOP, moves=[(NOW + A_DAY, SELLER)]))

        assert move_distributor(state, message(move())).publish[0].reason == "cycle"

    def test_a_former_downline_may_become_the_sponsor(self) -> None:
        state = a_network(a_distributor(OTHER, SELLER, moves=[(NOW - A_DAY, None)]))

        assert move_distributor(state, message(move())).outcome == "moved"

    def test_a_former_downline_cannot_become_the_sponsor_retroactively(self) -> None:
        state = a_network(a_distributor(OTHER, SELLER, moves=[(NOW - A_DAY, None)]))

        early = message(move(effective_at=NOW - 2 * A_DAY))

        assert move_distributor(state, early).publish[0].reason == "cycle"

    def test_paths_that_meet_again_are_followed_once(self) -> None:
        """4 moves below 2 tomorrow and below 5 the day after; both lead to 1."""
        moved = a_distributor(OTHER, TOP, moves=[(NOW + A_DAY, MIDDLE), (NOW + 2 * A_DAY, 5)])
        state = a_network(moved, a_distributor(5, MIDDLE))

        assert move_distributor(state, message(move(6, OTHER))).reason == "distributor_unknown"
        assert move_distributor(state, message(move(SELLER, OTHER))).outcome == "moved"
        assert move_distributor(state, message(move(TOP, OTHER))).publish[0].reason == "cycle"

    def test_a_deep_chain_is_followed_to_its_root(self) -> None:
        deep = 10_000
        state = State(distributors=by_id(*(a_distributor(number, number - 1 or None) for number in range(1, deep + 1))))

        assert move_distributor(state, message(move(1, deep))).publish[0].reason == "cycle"
        assert move_distributor(state, message(move(deep, 1))).outcome == "moved"


DISTRIBUTORS = st.integers(1, 4)
MOVES = st.lists(st.tuples(DISTRIBUTORS, st.none() | DISTRIBUTORS, st.integers(0, 5)), min_size=2, max_size=20)


@given(MOVES)
def test_no_sequence_of_moves_makes_a_cycle(commands: list[tuple[int, int | None, int]]) -> None:
    """Moves in any order, with dates in any order; checked on every day and before the first."""
    state = State()
    for number in range(1, 5):
        joining = RegisterDistributor(distributor_id=number, sponsor_id=number - 1 or None, joined_at=JOINED)
        state = register_distributor(state, message(joining)).state
    for distributor_id, sponsor_id, day in commands:
        answer = move_distributor(state, message(move(distributor_id, sponsor_id, effective_at=JOINED + day * A_DAY)))
        assert isinstance(answer, Decision)
        state = answer.state
    for day in range(-1, 7):
        for distributor_id in state.distributors:
            chain = chain_at(distributor_id, state.distributors, JOINED + day * A_DAY, 20)
            assert len(set(chain)) == len(chain)
    for distributor in state.distributors.values():
        assert all(a.since <= b.since for a, b in pairwise(distributor.sponsors))
        assert distributor.sponsor_id == distributor.sponsors[-1].sponsor_id
    assert state.tree.moves == sum(len(d.sponsors) - 1 for d in state.distributors.values())


class TestAsOfADate:
    MOVED = a_distributor(
        SELLER, MIDDLE, moves=[(NOW, TOP), (NOW + A_DAY, None)], teams=[(NOW, 7), (NOW + A_DAY, None)]
    )

    @pytest.mark.parametrize(
        ("moment", "sponsor_id", "team_id"),
        [
            (JOINED - A_DAY, MIDDLE, None),
            (NOW - A_DAY, MIDDLE, None),
            (NOW, TOP, 7),
            (NOW + A_DAY, None, None),
            (NOW + 9 * A_DAY, None, None),
        ],
    )
    def test_a_history_gives_the_state_at_any_moment(
        self, moment: datetime, sponsor_id: int | None, team_id: int | None
    ) -> None:
        assert (self.MOVED.sponsor_at(moment), self.MOVED.team_at(moment)) == (sponsor_id, team_id)

    def test_of_two_entries_with_the_same_start_the_last_applies(self) -> None:
        corrected = a_distributor(SELLER, MIDDLE, moves=[(NOW, TOP), (NOW, OTHER)])

        assert corrected.sponsor_at(NOW) == OTHER
        assert corrected.sponsors_from(NOW) == (OTHER,)
        assert corrected.sponsors_from(JOINED - A_DAY) == (MIDDLE, TOP, OTHER)

    def test_a_chain_with_a_missing_sponsor_is_an_error(self) -> None:
        with pytest.raises(KeyError):
            chain_at(SELLER, by_id(a_distributor(SELLER, MIDDLE)), NOW, 30)
        assert chain_at(SELLER, by_id(a_distributor(SELLER, MIDDLE)), NOW, 1) == (SELLER,)
