"""Loads and saves rule sets; the collection is a published view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from contracts.envelope import Message
from contracts.rules.view import RULES, RuleSet
from infra.runtime.repository import Codec, Loaded
from infra.runtime.store import Collection, Transaction
from workers.rule_book.model import RuleBook

_rules = Codec(RuleSet, key="rule_version")
to_rules = _rules.to_entity


class RuleBookRepository:
    collections: ClassVar[tuple[Collection, ...]] = (Collection(RULES, "rule sets by version"),)

    def __init__(self, rules: Loaded[int, RuleSet]) -> None:
        self._rules = rules

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Any]]) -> Self:
        return cls(await _rules.fetch(tx, RULES, (message.data.rule_version for message in messages)))

    def state_for(self, message: Message[Any]) -> RuleBook:
        return RuleBook(self._rules.pick([message.data.rule_version]))

    def keep(self, state: RuleBook) -> None:
        self._rules.keep(state.rules)

    async def save(self, tx: Transaction) -> None:
        await _rules.save(tx, RULES, self._rules)
