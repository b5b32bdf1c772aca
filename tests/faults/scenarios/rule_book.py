"""Rules that are proposed, approved, activated and retired, and the limits of markets."""

from __future__ import annotations

from contracts.rules.v1 import ActivateRules, ApproveRules, DefineMarket, ProposeRules, RetireRules
from tests.builders import a_rule_document, put_in_force
from tests.faults.crash_scenario import LATER, Scenario, noise, outgoing, outgoing_bare


def rule_book() -> Scenario:
    market, proposal, approval, activation = put_in_force()
    other = a_rule_document(("0.11", "0.04"))
    assert isinstance(proposal, ProposeRules), "put_in_force returns the proposal second"
    return Scenario(
        "rule_book",
        (
            (outgoing(market), outgoing(market), outgoing(market, again=1), noise(market.message_type)),
            (
                outgoing(proposal),
                outgoing(proposal),
                outgoing(proposal, again=1),
                outgoing(proposal.model_copy(update={"rule_version": 2, "rules": other})),
                noise(proposal.message_type),
            ),
            (
                outgoing(approval),
                outgoing(approval, again=1),
                outgoing(ApproveRules(rule_version=2, approved_by="ann", digest="0" * 64)),
            ),
            (
                outgoing(activation),
                outgoing(activation, again=1),
                outgoing(ActivateRules(rule_version=2, activated_by="bob")),
            ),
            (
                outgoing(proposal.model_copy(update={"rules": other})),
                outgoing(RetireRules(rule_version=1, retired_by="ann", effective_from=LATER)),
            ),
        ),
        frozenset(["defined", "proposed", "approved", "activated", "retired", "unchanged", "refused"]),
        {},
        dead=2,
    )


def returning_limits() -> Scenario:
    """Bare definitions of a market that return to an earlier content."""
    one, two = (outgoing_bare(DefineMarket(market="harbour", levels_paid_max=levels)) for levels in (1, 2))
    return Scenario(
        "rule_book",
        ((one, two, one), (two, two), (one,)),
        frozenset(["defined", "unchanged"]),
        {},
        dead=0,
    )
