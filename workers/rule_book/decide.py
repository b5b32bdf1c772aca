"""The rules about rules: a version is published once and never changes."""

from __future__ import annotations

from contracts.decision import Decision
from contracts.envelope import Message
from contracts.money import MoneyError, to_minor, to_rate_ppm
from contracts.rules.v1 import PublishRules, RulesPublished, RulesRefused
from contracts.rules.view import CategoryRates, RuleSet, SalesTarget
from workers.rule_book.model import RuleBook


def publish(book: RuleBook, message: Message[PublishRules]) -> Decision[RuleBook]:
    """Keep a new version. The same content again changes nothing; other content under a used number is refused."""
    wish = message.data
    try:
        rules = _rule_set(wish)
    except MoneyError as error:
        return _refuse(book, wish.rule_version, "amount_precision", f"targets: {error}.")
    known = book.rules.get(rules.rule_version)
    if known == rules:
        return Decision(book, outcome="unchanged")
    if known is not None:
        detail = f"rule_version: {rules.rule_version} is published and never changes; take the next number."
        return _refuse(book, wish.rule_version, "conflict", detail)
    published = RulesPublished(rule_version=rules.rule_version, effective_from=rules.effective_from)
    return Decision(book.with_rules(rules), (published,), "published")


def _rule_set(wish: PublishRules) -> RuleSet:
    return RuleSet(
        rule_version=wish.rule_version,
        effective_from=wish.effective_from,
        rates_ppm=tuple(map(to_rate_ppm, wish.rates)),
        categories=tuple(
            CategoryRates(category.category_id, tuple(map(to_rate_ppm, category.rates))) for category in wish.categories
        ),
        pool_rate_ppm=to_rate_ppm(wish.pool_rate),
        targets=tuple(
            SalesTarget(
                target.reward,
                target.currency,
                to_minor(target.target, target.currency),
                to_minor(target.bonus, target.currency),
            )
            for target in wish.targets
        ),
    )


def _refuse(book: RuleBook, rule_version: int, reason: str, detail: str) -> Decision[RuleBook]:
    return Decision(book, (RulesRefused(rule_version=rule_version, reason=reason, detail=detail),), "refused")
