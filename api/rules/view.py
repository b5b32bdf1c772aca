"""Rule sets, as shown: their terms in figures and in sentences, and their stage."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.http.ids import ShownObject
from api.http.problems import Language
from api.identity.principal import Principal
from api.storage.protocols import Documents
from contracts.explanation.rule_sentences import sentences
from contracts.money import MINOR_DIGITS_EVER, to_amount, to_rate
from contracts.plans.compliance import DEFAULTS, Breach, breaches
from contracts.rules.view import MARKETS, RULES, Market, RuleSet, Stage, Terms
from infra.ports.store import Document
from infra.runtime.repository import Codec

_rules = Codec(RuleSet, key="rule_version")
_markets = Codec(Market, key="market")


_PEOPLE = ("proposed_by", "approved_by", "activated_by", "retired_by")
_KNOW_PEOPLE = frozenset(("users:read", "rules:propose", "rules:approve"))
"""Who has one of these sees who decided: two persons who decide know each other."""


class RulesSummary(BaseModel):
    model_config = ConfigDict(title="RulesSummary")

    rule_version: int = Field(examples=[1])
    stage: Stage = Field(examples=["active"])
    title: str = Field(examples=["Autumn 2026"])
    market: str = Field(examples=["default"])
    digest: str = Field(
        description="The digest of the terms: send it with an approval.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    proposed_by: str | None = Field(
        description="Null, as all names of administrators here, for those who may read no users and decide no rules.",
        examples=["admin/4f1c0d3a9b7e4c2f8a6d5e4c3b2a1f00"],
    )
    approved_by: str | None = Field(examples=["admin/0a2c0d3a9b7e4c2f8a6d5e4c3b2a1f11"])
    activated_by: str | None = Field(examples=["admin/0a2c0d3a9b7e4c2f8a6d5e4c3b2a1f11"])
    effective_from: datetime | None
    retired_from: datetime | None = Field(examples=[None])
    retired_by: str | None = Field(examples=[None])


class BreachView(BaseModel):
    """A limit of the market that the terms exceed."""

    model_config = ConfigDict(title="Breach")

    limit: str = Field(examples=["levels_paid_max"])
    detail: str
    clause: str | None = Field(description="The law behind it, as the market cites it.")


class RulesView(RulesSummary):
    model_config = ConfigDict(title="Rules")

    sentences: list[str] = Field(
        description="The terms in sentences, in the requested language.",
        examples=[["Each line pays at most 20% of its net."]],
    )
    terms: ShownObject = Field(
        description="The terms in figures; amounts and rates are decimal strings.",
        examples=[{"title": "Autumn 2026", "market": "default", "pool_rate": "0.2", "hold_days": 7}],
    )


class DraftView(BaseModel):
    """The terms of a draft in sentences, and whether its market allows them; nothing is stored."""

    model_config = ConfigDict(title="ExplainedDraft")

    digest: str
    sentences: list[str]
    market_is_known: bool
    breaches: list[BreachView]


async def find_rules(store: Documents, version: int) -> RuleSet | None:
    found = await store.find(RULES, {"_id": version}, limit=1)
    return _rules.to_entity(found[0]) if found else None


async def market_named(store: Documents, name: str) -> Market | None:
    """The market as defined; the default market has its limits without a definition."""
    found = await store.find(MARKETS, {"_id": name}, limit=1)
    if found:
        return _markets.to_entity(found[0])
    return DEFAULTS if name == DEFAULTS.market else None


def summary_of(document: Document, principal: Principal) -> RulesSummary:
    return RulesSummary(**_summary(_rules.to_entity(document), principal))


def rules_view(rules: RuleSet, language: Language, principal: Principal) -> RulesView:
    return RulesView(
        **_summary(rules, principal), sentences=sentences(rules.terms, language), terms=_plain(rules.terms, ())
    )


def draft_view(terms: Terms, digest: str, market: Market | None, language: Language) -> DraftView:
    found = breaches(terms, market) if market is not None else ()
    return DraftView(
        digest=digest,
        sentences=sentences(terms, language),
        market_is_known=market is not None,
        breaches=[_breach(breach) for breach in found],
    )


def _breach(breach: Breach) -> BreachView:
    return BreachView(limit=breach.limit, detail=breach.detail, clause=breach.clause)


def _summary(rules: RuleSet, principal: Principal) -> dict[str, Any]:
    own: dict[str, Any] = {
        name: getattr(rules, name) for name in RulesSummary.model_fields if name not in ("title", "market")
    }
    if not _KNOW_PEOPLE & principal.permissions:
        own |= dict.fromkeys(_PEOPLE)
    return {**own, "title": rules.terms.title, "market": rules.terms.market}


def _plain(value: Any, path: tuple[str, ...]) -> Any:
    """The terms for programs: `rate_ppm` 50000 is `rate` "0.05", minor units by currency are amounts."""
    if is_dataclass(value):
        values = {field.name: getattr(value, field.name) for field in fields(value)}
        currency = values.get("currency")
        return {
            _unit_free(name): _figure(name, item, currency, (*path, name))
            for name, item in values.items()
            if item is not None
        }
    if isinstance(value, tuple):
        return [_plain(item, path) for item in value]
    if isinstance(value, dict):
        return {
            key: _amount(item, key) if key in MINOR_DIGITS_EVER else _plain(item, path) for key, item in value.items()
        }
    return value


def _unit_free(name: str) -> str:
    return name.removesuffix("_ppm").removesuffix("_minor")


def _figure(name: str, item: Any, currency: str | None, path: tuple[str, ...]) -> Any:
    if name.endswith("_ppm"):
        if isinstance(item, tuple):
            return [format(to_rate(rate), "f") for rate in item]
        if isinstance(item, dict):
            return {key: format(to_rate(rate), "f") for key, rate in item.items()}
        return format(to_rate(item), "f")
    if name.endswith("_minor") and currency is not None:
        return _amount(item, currency)
    return _plain(item, path)


def _amount(item: Any, currency: str) -> Any:
    if isinstance(item, tuple):
        return [_amount(part, currency) for part in item]
    return format(to_amount(item, currency), "f")
