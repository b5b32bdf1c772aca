"""Which message goes to which rule."""

from contracts.rules.v1 import PublishRules
from infra.runtime.worker import Worker, on
from workers.rule_book.audit import audit
from workers.rule_book.decide import publish
from workers.rule_book.repository import RuleBookRepository

WORKER = Worker(
    name="rule_book",
    repository=RuleBookRepository,
    handlers=(on(PublishRules, decide=publish),),
    audit=audit,
)
