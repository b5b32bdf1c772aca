"""The rule book: proposed, approved by a second person, in force from a date, and never changed retroactively."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from contracts.rules.v1 import (
    ActivateRules,
    ApproveRules,
    MarketRefused,
    ProposeRules,
    RetireRules,
    RulesActivated,
    RulesApproved,
    RulesProposed,
    RulesRefused,
    RulesRetired,
)
from contracts.rules.view import PROPOSAL_LIFE, Market, RuleSet, in_force
from contracts.wire.decision import Decision, NotYet
from contracts.wire.refusal import Unreadable
from tests.builders import NOW, message
from tests.unit.rule_books import (
    DAY,
    HOUR,
    MINUTE,
    a_book,
    a_document,
    a_draft,
    activate,
    active,
    approve,
    approved,
    propose,
    refused,
    retire,
)
from workers.rule_book import decide
from workers.rule_book.model import Turn


def test_the_user_of_the_operating_system_is_kept_beside_each_name() -> None:
    """A user of the command line may give any name with `--by`."""
    draft, as_root = a_draft(), {"rule_version": 1, "os_user": "root"}
    commands: list[tuple[Any, Any]] = [
        (decide.propose, ProposeRules(proposed_by="li.na", rules=a_document(), **as_root)),
        (decide.approve, ApproveRules(approved_by="wei", digest=draft.digest, **as_root)),
        (decide.activate, ActivateRules(activated_by="li.na", **as_root)),
        (decide.retire, RetireRules(retired_by="wei", **as_root)),
    ]
    state, users = a_book(), []
    for rule, command in commands:
        answer = rule(state, message(command))
        state = answer.state
        users.append(answer.publish[0].os_user)

    rules = state.rules[1]
    assert users == ["root"] * 4
    assert [rules.proposed_os_user, rules.approved_os_user, rules.activated_os_user, rules.retired_os_user] == users


class TestPropose:
    def test_a_draft_is_stored_with_its_digest(self) -> None:
        draft = a_draft()
        event = RulesProposed(rule_version=1, digest=draft.digest, proposed_by="li.na")

        assert propose(a_book(), a_document()) == Decision(a_book(draft), (event,), "proposed")

    @pytest.mark.parametrize("known", [a_draft(), approved(a_draft()), active(a_draft())])
    def test_a_repeat_by_anyone_changes_nothing(self, known: RuleSet) -> None:
        assert propose(a_book(known), a_document("0.1", "0.050"), by="wei") == Decision(
            a_book(known), outcome="duplicate"
        )

    @pytest.mark.parametrize("known", [a_draft(), approved(a_draft())])
    def test_other_terms_replace_a_draft_and_void_its_approval(self, known: RuleSet) -> None:
        answer = propose(a_book(known), a_document("0.12"), by="wei")

        assert answer == Decision(
            a_book(replace(a_draft(1, "0.12"), proposed_by="wei")),
            (RulesProposed(rule_version=1, digest=a_draft(1, "0.12").digest, proposed_by="wei"),),
            "proposed",
        )

    def test_active_rules_never_change(self) -> None:
        state = a_book(active(a_draft()))
        detail = "rule_version: 1 is active and never changes; take the next number."

        assert propose(state, a_document("0.12")) == refused(state, "conflict", detail)

    def test_an_amount_that_its_currency_cannot_express_is_refused(self) -> None:
        target = {"reward": "monthly", "currency": "JPY", "target": "0.5", "bonus": "1"}
        detail = "rules.targets.0.target: 0.5 has more decimals than JPY allows (0)."

        assert propose(a_book(), a_document(targets=[target])) == refused(a_book(), "amount_precision", detail)


class TestAnOldProposal:
    OLD = replace(a_draft(), proposed_at=NOW - PROPOSAL_LIFE - MINUTE)
    DETAIL = "rule_version: rules 1 were proposed more than 30 days ago; propose and approve them again."

    @pytest.mark.parametrize("known", [OLD, replace(OLD, proposed_at=None)])
    def test_is_neither_approved_nor_put_in_force(self, known: RuleSet) -> None:
        state = a_book(known)
        assert approve(state, known.digest) == refused(state, "proposal_expired", self.DETAIL)

        state = a_book(approved(known))
        assert activate(state) == refused(state, "proposal_expired", self.DETAIL)

    def test_takes_two_persons_again(self) -> None:
        state = a_book(approved(self.OLD))
        proposed = propose(state, a_document(), by="wei")
        assert proposed.state == a_book(replace(a_draft(), proposed_by="wei"))
        assert approve(proposed.state, self.OLD.digest, by="wei").publish[0].reason == "same_person"
        again = approve(proposed.state, self.OLD.digest, by="li.na").state
        assert activate(again).outcome == "activated"

    def test_of_active_rules_makes_no_difference(self) -> None:
        state = a_book(active(self.OLD))
        assert propose(state, a_document()) == approve(state, self.OLD.digest) == Decision(state, outcome="duplicate")


class TestApprove:
    def test_another_person_approves_the_terms(self) -> None:
        draft = a_draft()
        event = RulesApproved(rule_version=1, digest=draft.digest, approved_by="wei")

        assert approve(a_book(draft), draft.digest) == Decision(a_book(approved(draft)), (event,), "approved")

    @pytest.mark.parametrize("known", [approved(a_draft()), active(a_draft())])
    @pytest.mark.parametrize("by", ["wei", "chen"])
    def test_the_first_approval_counts(self, known: RuleSet, by: str) -> None:
        assert approve(a_book(known), known.digest, by) == Decision(a_book(known), outcome="duplicate")

    def test_who_proposed_them_meanwhile_must_be_one_of_whom_the_approver_is_independent(self) -> None:
        """Otherwise a proposer and an approver who depend on each other would only have to be quick."""
        draft = a_draft()
        detail = "approved_by: li.na has proposed or approved it meanwhile; read it again, then approve it."

        assert approve(a_book(draft), draft.digest, independent_of=("Li.Na",)).outcome == "approved"
        assert approve(a_book(draft), draft.digest, independent_of=("wei", "chen")) == refused(
            a_book(draft), "changed_meanwhile", detail
        )

    @pytest.mark.parametrize("by", ["li.na", "Li.Na"])
    @pytest.mark.parametrize("known", [a_draft(), approved(a_draft())])
    def test_the_proposer_cannot_approve(self, known: RuleSet, by: str) -> None:
        detail = f"approved_by: {by} has proposed the rules; let another person read and approve them."

        assert approve(a_book(known), known.digest, by) == refused(a_book(known), "same_person", detail)

    @pytest.mark.parametrize("known", [a_draft(1, "0.12"), active(a_draft(1, "0.12"))])
    def test_changed_terms_are_not_approved(self, known: RuleSet) -> None:
        detail = f"digest: rules 1 have the digest {known.digest}, not the given one; read them again."

        assert approve(a_book(known), a_draft().digest) == refused(a_book(known), "digest_mismatch", detail)

    def test_an_approval_before_its_proposal_is_retried(self) -> None:
        detail = "rule_version: rules 1 are not known; propose them first."
        otherwise = refused(a_book(), "not_proposed", detail)

        assert approve(a_book(), a_draft().digest) == NotYet("not_proposed", otherwise)  # type: ignore[arg-type]


class TestActivate:
    def test_approved_rules_apply_from_their_date(self) -> None:
        answer = activate(a_book(approved(a_draft())), effective_from=NOW + DAY)
        activated = active(a_draft(), effective_from=NOW + DAY)
        event = RulesActivated(rule_version=1, market="default", effective_from=NOW + DAY, activated_by="li.na")

        state = replace(a_book(activated), turns={"default": Turn("default", 1)})
        assert answer == Decision(state, (event,), "activated")
        assert in_force(NOW, "default", state.tenures) is None
        assert in_force(NOW + DAY, "default", state.tenures) == activated.rule_version

    def test_the_default_date_is_the_messages_time(self) -> None:
        state = activate(a_book(approved(a_draft()))).state

        assert state.rules == {1: active(a_draft())}

    def test_each_activation_takes_the_next_turn_of_its_market(self) -> None:
        state = replace(a_book(approved(a_draft())), turns={"default": Turn("default", 7), "cn": Turn("cn", 1)})

        turns = activate(state).state.turns
        assert turns == {"default": Turn("default", 8), "cn": Turn("cn", 1)}

    @pytest.mark.parametrize("fields", [{}, {"effective_from": NOW - DAY}])
    def test_a_repeated_activation_changes_nothing(self, fields: dict[str, Any]) -> None:
        state = a_book(active(a_draft(), effective_from=NOW - DAY))

        assert activate(state, **fields) == Decision(state, outcome="duplicate")

    def test_active_rules_keep_their_date(self) -> None:
        state = a_book(active(a_draft()))
        detail = "rule_version: 1 is active from 2026-11-02T09:30:00+00:00 on; take the next number."

        assert activate(state, effective_from=NOW + DAY) == refused(state, "conflict", detail)

    def test_an_activation_before_its_proposal_is_retried(self) -> None:
        detail = "rule_version: rules 1 are not known; propose them first."

        assert activate(a_book()) == NotYet("not_proposed", refused(a_book(), "not_proposed", detail))  # type: ignore[arg-type]

    def test_an_activation_before_its_approval_is_retried(self) -> None:
        state = a_book(a_draft())
        detail = "rule_version: 1 is not approved; let another person than the proposer approve it."

        assert activate(state) == NotYet("not_approved", refused(state, "not_approved", detail))  # type: ignore[arg-type]

    def test_an_undefined_market_is_retried(self) -> None:
        state = a_book(approved(a_draft(market="cn")))
        detail = "rules.market: market cn is not defined; define its legal limits."

        assert activate(state) == NotYet("market_unknown", refused(state, "market_unknown", detail))  # type: ignore[arg-type]

    def test_rules_beyond_the_limits_are_refused_with_the_clause(self) -> None:
        cn = Market("cn", 1, 150_000, clauses={"levels_paid_max": "禁止传销条例 第七条"})
        state = a_book(approved(a_draft(market="cn")), markets=(cn,))
        detail = (
            "pool_rate: a line may pay 0.2 of its net, and market cn allows 0.15; "
            "plan direct: it pays up to level 2, and market cn allows 1 (禁止传销条例 第七条)."
        )

        assert activate(state) == refused(state, "market_limit", detail, "禁止传销条例 第七条")

    def test_the_default_market_has_limits_that_a_definition_replaces(self) -> None:
        three = a_book(approved(a_draft(1, "0.1", "0.05", "0.01")))
        beyond = activate(three)
        wider = replace(three, markets={"default": Market("default", levels_paid_max=3)})

        detail = "plan direct: it pays up to level 3, and market default allows 2."
        assert beyond == refused(three, "market_limit", detail)
        assert activate(wider).outcome == "activated"

    @pytest.mark.parametrize("at", [NOW - DAY, NOW - HOUR])
    def test_rules_of_the_past_are_never_replaced(self, at: Any) -> None:
        state = a_book(active(a_draft(), effective_from=NOW - DAY), approved(a_draft(2, "0.2")))
        detail = (
            f"effective_from: rules 1 held at {at.isoformat()}, and rules never change retroactively; "
            "give a time from 2026-11-02T09:30:00+00:00 on."
        )

        assert activate(state, 2, effective_from=at) == refused(state, "retroactive", detail, version=2)

    @pytest.mark.parametrize(
        "other",
        [
            active(a_draft(), effective_from=NOW - HOUR),
            active(a_draft(), effective_from=NOW - 3 * DAY, retired_from=NOW - 2 * DAY),
            active(a_draft(market="cn"), effective_from=NOW - 3 * DAY),
            approved(a_draft()),
        ],
    )
    def test_a_past_without_rules_may_get_some(self, other: RuleSet) -> None:
        """They apply until the start of the next rules, which stays."""
        state = a_book(other, approved(a_draft(2, "0.2")))
        answer = activate(state, 2, effective_from=NOW - DAY)

        assert answer.outcome == "activated"
        before = in_force(NOW, other.terms.market, state.tenures)
        assert before in (None, in_force(NOW, other.terms.market, answer.state.tenures))

    def test_rules_may_be_replaced_from_now_on(self) -> None:
        state = a_book(active(a_draft(), effective_from=NOW - DAY), approved(a_draft(2, "0.2")))

        assert activate(state, 2, effective_from=NOW).outcome == "activated"


class TestRetire:
    def test_active_rules_get_an_end(self) -> None:
        state = a_book(active(a_draft()))
        event = RulesRetired(rule_version=1, market="default", effective_from=NOW + DAY, retired_by="wei")
        ended = active(a_draft(), retired_from=NOW + DAY, retired_by="wei")

        after = a_book(ended).with_turn_of("default")
        assert retire(state, effective_from=NOW + DAY) == Decision(after, (event,), "retired")
        assert retire(state).state.rules[1].retired_from == NOW
        assert in_force(NOW + DAY, "default", a_book(ended).tenures) is None

    @pytest.mark.parametrize(
        ("end", "fields"),
        [(NOW + DAY, {"effective_from": NOW + DAY}), (NOW, {}), (NOW - HOUR, {}), (NOW, {"effective_from": NOW})],
    )
    def test_a_repeated_end_changes_nothing(self, end: datetime, fields: dict[str, Any]) -> None:
        state = a_book(active(a_draft(), effective_from=NOW - DAY, retired_from=end))

        assert retire(state, **fields) == Decision(state, outcome="duplicate")

    @pytest.mark.parametrize("fields", [{}, {"effective_from": NOW + HOUR - MINUTE}])
    def test_a_future_end_is_not_moved_to_an_earlier_or_default_time(self, fields: dict[str, Any]) -> None:
        state = a_book(active(a_draft(), retired_from=NOW + HOUR))
        detail = "rule_version: 1 ends at 2026-11-02T10:30:00+00:00, which stays."

        assert retire(state, **fields) == refused(state, "already_retired", detail)

    def test_an_end_cannot_be_moved(self) -> None:
        state = a_book(active(a_draft(), retired_from=NOW + DAY))
        detail = "rule_version: 1 ends at 2026-11-03T09:30:00+00:00, which stays."

        assert retire(state, effective_from=NOW + HOUR) == refused(state, "already_retired", detail)

    def test_an_end_in_the_past_is_refused(self) -> None:
        state = a_book(active(a_draft(), effective_from=NOW - DAY))
        detail = "effective_from: rules never change retroactively; give a time from 2026-11-02T09:30:00+00:00 on."

        assert retire(state, effective_from=NOW - HOUR) == refused(state, "retroactive", detail)

    @pytest.mark.parametrize("when", [NOW, NOW + DAY])
    def test_no_one_brings_earlier_rules_back_alone(self, when: datetime) -> None:
        generous, now = active(a_draft(2), effective_from=NOW - DAY), active(a_draft(1, "0.02"))
        state = a_book(generous, now)
        detail = (
            "rule_version: rules 2 would hold again after rules 1; what is paid takes two persons, so propose, approve "
            "and activate other rules instead, the earlier terms under a new number."
        )

        assert retire(state, effective_from=when) == refused(state, "earlier_rules_return", detail)
        # Of another market, or ended, they would not hold.
        for other in (active(a_draft(2, market="cn")), replace(generous, retired_from=NOW)):
            assert retire(a_book(other, now), effective_from=when).outcome == "retired"

    def test_nor_by_withdrawing_what_was_to_follow(self) -> None:
        """Rules 3 hold until rules 1 begin, which was no one's decision to go back to rules 2."""
        earlier = active(a_draft(2), effective_from=NOW - 2 * DAY)
        ending = active(a_draft(3), effective_from=NOW - DAY, retired_from=NOW + DAY)
        state = a_book(earlier, ending, active(a_draft(), effective_from=NOW + DAY))

        assert retire(state, effective_from=NOW + DAY).publish[0].reason == "earlier_rules_return"
        assert retire(a_book(*list(state.rules.values())[1:]), effective_from=NOW + DAY).outcome == "retired"

    @pytest.mark.parametrize(
        ("others", "begin", "end"),
        [
            # Planned rules are withdrawn, or get an end: those of today go on.
            ([active(a_draft(2), effective_from=NOW - DAY)], NOW + DAY, NOW + DAY),
            ([active(a_draft(2), effective_from=NOW - DAY)], NOW + DAY, NOW + 9 * DAY),
            # Replaced rules hold no more, whether or not they have an end.
            ([active(a_draft(2), effective_from=NOW)], NOW - DAY, NOW),
            # Others follow.
            (
                [active(a_draft(2), effective_from=NOW - 9 * DAY), active(a_draft(3), effective_from=NOW + DAY)],
                NOW - DAY,
                NOW + DAY,
            ),
        ],
    )
    def test_an_end_that_brings_none_back_takes_one_person(
        self, others: list[RuleSet], begin: datetime, end: datetime
    ) -> None:
        state = a_book(*others, active(a_draft(), effective_from=begin))

        assert retire(state, effective_from=end).outcome == "retired"

    def test_two_decisions_at_once_do_not_miss_each_other(self) -> None:
        """One ends rules that planned ones replace, one withdraws the planned ones: both take the market's turn."""
        assert retire(a_book(active(a_draft()))).state.turns["default"] == Turn("default", 1)

    def test_the_end_of_inactive_rules_is_retried(self) -> None:
        state = a_book(approved(a_draft()))
        detail = "rule_version: 1 is not active; only active rules can end."

        assert retire(state) == NotYet("not_active", refused(state, "not_active", detail))  # type: ignore[arg-type]
        assert retire(a_book()).reason == "not_proposed"


def unreadable(data: dict[str, Any]) -> Unreadable:
    return Unreadable("m-1", "rules.propose.v1", "invalid_value", "rules.pool_rate: too much", b"{}", data=data)


@pytest.mark.parametrize("data", [{}, {"rule_version": "x"}, {"rule_version": None}])
def test_a_message_without_a_rule_version_is_dead_lettered(data: dict[str, Any]) -> None:
    assert decide.refuse_unreadable_rules(unreadable(data)) is None


def test_a_proposal_that_breaks_its_contract_is_refused_by_its_number() -> None:
    assert decide.refuse_unreadable_rules(unreadable({"rule_version": 3})) == RulesRefused(
        rule_version=3, reason="invalid_message", detail="rules.pool_rate: too much"
    )


def test_a_market_that_breaks_its_contract_is_refused_by_its_name() -> None:
    assert decide.refuse_unreadable_market(unreadable({"market": "cn"})) == MarketRefused(
        market="cn", reason="invalid_message", detail="rules.pool_rate: too much"
    )
    assert decide.refuse_unreadable_market(unreadable({"market": "Not a name"})) is None
