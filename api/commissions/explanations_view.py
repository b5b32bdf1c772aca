"""Why an order pays one distributor what it does: the whole explanation, without anybody else's share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from api.http.problems import Language
from contracts.commissions.view import Commission
from contracts.explanation.commission_sentences import sentences_of
from contracts.explanation.explained import Explanation, TakenBack, order_facts
from contracts.explanation.explanation import explain
from contracts.rules.view import RuleSet
from infra.ports.store import Document


class ExplanationView(BaseModel):
    model_config = ConfigDict(title="Explanation")

    heading: str = Field(examples=[""])
    sentences: list[str] = Field(examples=[["Order shop-367/31198459904 was placed…"]])


def explained(
    commission: Commission,
    distributor_id: int,
    orders: Mapping[str, Document],
    rules: Mapping[int, RuleSet],
    language: Language | None,
) -> list[ExplanationView] | None:
    order, terms = orders.get(commission.key), rules.get(commission.rule_version)
    if language is None or order is None or terms is None:
        return None
    own = _own(explain(order_facts(order), commission, terms.terms), distributor_id)
    first, *others = sentences_of(own, language)
    # The totals of the order and of each line would reveal the others' shares.
    sections = [(first.heading, first.sentences[:1])]
    for index, section in enumerate(others):
        is_line = index < len(own.lines)
        sections.append(
            (section.heading, (section.sentences[0], *section.sentences[2:]) if is_line else section.sentences)
        )
    return [ExplanationView(heading=heading, sentences=list(lines)) for heading, lines in sections if lines]


def _own(explanation: Explanation, distributor_id: int) -> Explanation:
    """The explanation without anybody else's share."""
    people = tuple(person for person in explanation.people if person.distributor_id == distributor_id)
    return replace(
        explanation,
        lines=tuple(
            replace(line, parts=tuple(part for part in line.parts if part.distributor_id == distributor_id))
            for line in explanation.lines
        ),
        people=people,
        taken_back=tuple(
            own for taken in explanation.taken_back if (own := _own_part(taken, distributor_id)).by_distributor_minor
        ),
        total_minor=sum(person.amount_minor for person in people),
    )


def _own_part(taken: TakenBack, distributor_id: int) -> TakenBack:
    own = tuple((who, amount) for who, amount in taken.by_distributor_minor if who == distributor_id)
    return replace(taken, by_distributor_minor=own)
