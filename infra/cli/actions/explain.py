"""`tributary explain`: why an order pays its commissions, in sentences or as data."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import typer
from rich.console import Console
from rich.markup import escape

from contracts.commissions.view import COMMISSIONS, Commission
from contracts.explanation.commission_sentences import sentences_of, why_nothing
from contracts.explanation.explained import Explanation, OrderFacts, as_object, order_facts
from contracts.explanation.explanation import explain as explanation_of
from contracts.explanation.rule_phrases import Language
from contracts.javascript import all_exact
from contracts.orders.v1 import OrderRefused
from contracts.orders.view import ORDERS, ORDERS_JOURNAL
from contracts.rules.view import RULES, RuleSet
from infra.auditing.audit import Read
from infra.rehearsal import stored_rules as rules_store
from infra.runtime.repository import Codec
from infra.settings import Settings
from infra.terminal.environment import EXIT_BREACH, one_sentence_on_failure, settings_for
from infra.terminal.printing import print_line, print_text, printable
from infra.terminal.screen import Screen

_commissions = Codec(Commission, key="key")
_rules = Codec(RuleSet, key="rule_version")


@dataclass(frozen=True, slots=True)
class Found:
    """What is stored: the explanation, or the order without one, or its refusal (reason and sentence)."""

    explanation: Explanation | None = None
    order: OrderFacts | None = None
    refusal: tuple[str, str] | None = None


def explain(order: str, lang: Language, stack: str, *, as_json: bool) -> None:
    with one_sentence_on_failure():
        found = asyncio.run(_look(settings_for(stack), order))
    if found.explanation is None:
        sentence = why_nothing(order, found.order, found.refusal, lang)
        if as_json:
            status = found.order.status if found.order is not None else "refused" if found.refusal else "unknown"
            nothing = {"order": order, "status": status, "detail": sentence}
            print_text(json.dumps(all_exact(nothing), indent=2, ensure_ascii=False))
        else:
            print_line(sentence, err=True)
        raise typer.Exit(EXIT_BREACH)
    if as_json:
        print_text(json.dumps(all_exact(as_object(found.explanation)), indent=2, ensure_ascii=False))
    else:
        print_explanation(found.explanation, lang, Screen())


def print_explanation(explanation: Explanation, language: Language, console: Console) -> None:
    for section in sentences_of(explanation, language):
        if section.heading:
            console.print(f"\n[bold]{escape(printable(section.heading))}[/]", highlight=False)
        for sentence in section.sentences:
            console.print(printable(sentence), highlight=False, markup=False, soft_wrap=True)


async def _look(settings: Settings, key: str) -> Found:
    async with rules_store.opened(settings) as store:
        return await find_explanation(store, key)


async def find_explanation(read: Read, key: str) -> Found:
    """Read everything about the order, and explain it if there are commissions."""
    orders = await read.find(ORDERS, {"_id": key})
    if not orders:
        return Found(refusal=await _refusal(read, key))
    order = order_facts(orders[0])
    commissions = await read.find(COMMISSIONS, {"_id": key})
    if not commissions:
        return Found(order=order)
    commission = _commissions.to_entity(commissions[0])
    [rules] = await read.find(RULES, {"_id": commission.rule_version})
    return Found(explanation_of(order, commission, _rules.to_entity(rules).terms), order)


async def _refusal(read: Read, key: str) -> tuple[str, str] | None:
    """The reason code and the sentence of the last refusal, as far back as the journal goes."""
    found = None
    for record in await read.find(ORDERS_JOURNAL, {"about": {"$in": [f"order/{key}"]}}, sort=(("_id", 1),)):
        for emitted in record.get("emitted", ()):
            if emitted["type"] == OrderRefused.message_type:
                data = json.loads(emitted["body"])["data"]
                if f"{data['shop_id']}/{data['order_id']}" == key:
                    found = (str(data["reason"]), str(data["detail"]))
    return found
