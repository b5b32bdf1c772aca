"""Loads and saves rule sets and markets, which are published views, and the turns that serialise decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, Self

from contracts.rules.v1 import ActivateRules, ApproveRules, DefineMarket, OfRules, ProposeRules, RetireRules
from contracts.rules.view import MARKETS, RULES, Market, RuleSet
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Find, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.rule_book.model import State, Turn

TURNS = "rule_book.turns"

Consumed = DefineMarket | ProposeRules | ApproveRules | ActivateRules | RetireRules

_rules = Codec(RuleSet, key="rule_version")
_markets = Codec(Market, key="market")
_turns = Codec(Turn, key="market")
to_rules = _rules.to_entity
to_market = _markets.to_entity


class RuleBookRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            RULES,
            "rule sets by version",
            (
                Index(
                    (("stage", 1), ("terms.market", 1), ("effective_from", 1), ("retired_from", 1), ("_id", 1)),
                    "when each active rule set holds, for every batch of orders: covers the query, without the terms",
                ),
            ),
        ),
        Collection(MARKETS, "the legal limits of each market"),
        Collection(TURNS, "counts the decisions about each market's limits or active rules"),
    )

    def __init__(
        self,
        rules: Loaded[int, RuleSet],
        markets: Loaded[str, Market],
        turns: Loaded[str, Turn],
        versions: Iterable[int],
        names: Iterable[str],
    ) -> None:
        self._rules = rules
        self._markets = markets
        self._turns = turns
        self._versions = tuple(versions)
        self._names = tuple(names)

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        """Activations, ends and markets are checked against all rules; other messages load their own rules only."""
        if _needs_all(messages):
            return {"rules": Find(RULES, {})}
        return {"rules": with_ids(RULES, _versions_named(messages))}

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        known = _rules.by_key(found["rules"])
        rules: Loaded[int, RuleSet] = Loaded(known)
        if not _needs_all(messages):
            return cls(rules, Loaded({}), Loaded({}), _versions_named(messages), ())
        names = {rules.terms.market for rules in known.values()} | {
            message.data.market for message in messages if isinstance(message.data, DefineMarket)
        }
        markets, turns = await _markets.fetch(tx, MARKETS, names), await _turns.fetch(tx, TURNS, names)
        return cls(rules, Loaded(markets), Loaded(turns), known, names)

    def state_for(self, message: Message[Consumed]) -> State:
        return State(self._rules.pick(self._versions), self._markets.pick(self._names), self._turns.pick(self._names))

    def keep(self, state: State) -> None:
        self._rules.keep(state.rules)
        self._markets.keep(state.markets)
        self._turns.keep(state.turns)

    async def save(self, tx: Transaction) -> None:
        await _rules.save(tx, RULES, self._rules)
        await _markets.save(tx, MARKETS, self._markets)
        await _turns.save(tx, TURNS, self._turns)


def _versions_named(messages: Sequence[Message[Consumed]]) -> list[int]:
    return [message.data.rule_version for message in messages if isinstance(message.data, OfRules)]


def _needs_all(messages: Sequence[Message[Consumed]]) -> bool:
    return any(isinstance(message.data, ActivateRules | RetireRules | DefineMarket) for message in messages)
