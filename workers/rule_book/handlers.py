"""Which message goes to which rule."""

from contracts.rules.v1 import ActivateRules, ApproveRules, DefineMarket, ProposeRules, RetireRules
from infra.runtime.worker import Worker, on
from workers.rule_book import decide
from workers.rule_book.audit import audit
from workers.rule_book.repository import RuleBookRepository

WORKER = Worker(
    name="rule_book",
    repository=RuleBookRepository,
    handlers=(
        on(DefineMarket, decide=decide.define_market, refuse=decide.refuse_unreadable_market),
        on(ProposeRules, decide=decide.propose, refuse=decide.refuse_unreadable_rules),
        on(ApproveRules, decide=decide.approve, refuse=decide.refuse_unreadable_rules),
        on(ActivateRules, decide=decide.activate, refuse=decide.refuse_unreadable_rules),
        on(RetireRules, decide=decide.retire, refuse=decide.refuse_unreadable_rules),
    ),
    audits=(audit,),
)
