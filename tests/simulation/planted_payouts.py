"""Bugs of payouts, injected to prove that a run finds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from tests.simulation.payouts import Result, simulate
from tests.simulation.planted_calls import SendsWithoutLooking
from tests.simulation.run import Variant
from workers.payouts import outcomes
from workers.payouts.outcomes import _contradiction
from workers.payouts.planning import plan_of


@contextmanager
def _new_key_for_each_try() -> Iterator[None]:
    """What is sent again is another attempt, as if the one before were known to have failed."""
    with (
        patch("workers.payouts.sending.is_recognised", lambda *_: False),
        patch("workers.payouts.sending.is_certainly_not_taken", lambda _: True),
    ):
        yield


@contextmanager
def _failed_after_paid_ignored() -> Iterator[None]:
    with patch("workers.payouts.outcomes._comes_back", lambda case: case.report.outcome == "returned"):
        yield


@contextmanager
def _reports_applied_twice() -> Iterator[None]:
    """What is paid is paid once more by the next report that says so."""
    with patch("workers.payouts.outcomes.ENDED", frozenset({"failed"})):
        yield


@contextmanager
def _unknown_taken_for_failed() -> Iterator[None]:
    """A call without an answer is given up, and the money goes back."""

    def failed(state: Any, case: Any) -> Any:
        return outcomes._failed(state, case)

    with patch("workers.payouts.outcomes._doubtful", failed):
        yield


@contextmanager
def _holds_ignored() -> Iterator[None]:
    def plan(state: Any, payout: Any, *others: Any) -> Any:
        payee = state.payee(payout.distributor_id)
        return plan_of(state.with_payee(replace(payee, hold=None)), payout, *others)

    with patch("workers.payouts.sending.plan_of", plan):
        yield


@contextmanager
def _amounts_not_compared() -> Iterator[None]:
    def contradiction(case: Any, *, is_live: bool) -> str | None:
        reason = _contradiction(case, is_live=is_live)
        return None if reason == "amount_differs" else reason

    with patch("workers.payouts.outcomes._contradiction", contradiction):
        yield


@contextmanager
def _absent_believed_before_the_answer() -> Iterator[None]:
    """A rail that has not seen the key yet is believed while the call is still to be made; the attempt is given up."""

    def no_news(state: Any, case: Any) -> Any:
        if case.report.outcome == "absent":
            return outcomes._failed(state, case)
        return found(state, case)

    found = outcomes._no_news
    with patch("workers.payouts.outcomes._no_news", no_news):
        yield


@dataclass(frozen=True, slots=True)
class Bug:
    planted: Any = nullcontext
    variant: Variant | None = None

    def run(self, seed: int) -> Result:
        with self.planted():
            return simulate(seed, self.variant)


BUGS = {
    "makes a new key for each try": Bug(_new_key_for_each_try),
    "ignores that something failed after it was paid": Bug(_failed_after_paid_ignored),
    "applies reports twice": Bug(_reports_applied_twice),
    "takes an unknown outcome for a failure": Bug(_unknown_taken_for_failed),
    "sends to distributors on hold": Bug(_holds_ignored),
    "does not compare amounts": Bug(_amounts_not_compared),
    "believes that a key is absent before its call was answered": Bug(_absent_believed_before_the_answer),
    "sends without a look-up": Bug(variant=Variant(performer=SendsWithoutLooking)),
}
