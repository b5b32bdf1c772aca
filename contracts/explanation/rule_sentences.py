"""A rule set as plain sentences, for the person who approves it: nothing that it pays is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from contracts.explanation.rule_phrases import PHRASES, Language
from contracts.money import RATE_SCALE, to_amount
from contracts.rules.view import Differential, Fixed, Money, Override, Plan, TeamBonus, Terms, Unilevel


def sentences(terms: Terms, language: Language = "en") -> list[str]:
    """Return what the terms promise, one sentence to a line, in the order of the document."""
    return list(_Renderer(PHRASES[language]).about(terms))


class _Renderer:
    def __init__(self, phrases: Mapping[str, str]) -> None:
        self._phrases = phrases

    def about(self, terms: Terms) -> Iterator[str]:
        yield self._sentence("title", title=terms.title, market=terms.market)
        yield self._sentence("pool", rate=_percent(terms.pool_rate_ppm))
        if len(terms.plans) > 1:
            yield self._sentence("order")
        yield self._sentence("hold" if terms.hold_days else "hold_none", days=terms.hold_days)
        for number, plan in enumerate(terms.plans, start=1):
            yield from self._plan(number, plan, terms.zone)
        for target in terms.targets:
            yield self._sentence(
                "target",
                zone=terms.zone,
                reward=target.reward,
                target=_amount(target.target_minor, target.currency),
                bonus=_amount(target.bonus_minor, target.currency),
            )

    def _sentence(self, phrase: str, **values: object) -> str:
        return self._phrases[phrase].format(**values)

    def _plan(self, number: int, plan: Plan, zone: str) -> Iterator[str]:
        of = {"number": number, "name": plan.name, "zone": zone}
        match plan:
            case Unilevel():
                yield self._sentence("unilevel", **of, levels=self._levels(map(_percent_or_none, plan.rates_ppm)))
                for what, rates in self._overrides(plan.overrides):
                    phrase = "override_shorter" if len(rates) < len(plan.rates_ppm) else "override"
                    yield self._sentence(phrase, **of, what=what, levels=self._levels(map(_percent_or_none, rates)))
                if len(plan.overrides) > 1:
                    yield self._sentence("narrowest", **of)
                yield self._sentence("compression" if plan.compression else "no_compression", **of)
            case Differential():
                listed = sorted(plan.rates_ppm.items(), key=lambda item: (item[1], item[0]))
                tier_rates = self._join(
                    "comma", [self._sentence("tier_rate", tier=tier, rate=_percent(ppm)) for tier, ppm in listed]
                )
                yield self._sentence("differential", **of, rates=tier_rates, levels_max=plan.levels_max)
                if plan.peer_rate_ppm:
                    yield self._sentence("peer", **of, rate=_percent(plan.peer_rate_ppm))
            case TeamBonus():
                phrase = "team_bonus_own" if plan.own_sales else "team_bonus"
                yield self._sentence(phrase, **of, rate=_percent(plan.rate_ppm))
            case Fixed():  # pragma: no branch (mypy proves that there is no fifth plan)
                for currency, amounts in plan.amounts_minor.items():
                    shares = [_amount(minor, currency) if minor else None for minor in amounts]
                    yield self._sentence("fixed", **of, currency=currency, levels=self._levels(shares))
                yield self._sentence("compression" if plan.compression else "no_compression", **of)
        yield from self._bounds(of, plan)

    def _bounds(self, of: Mapping[str, object], plan: Plan) -> Iterator[str]:
        """Who and what the plan covers, and its maximum and minimum amounts."""
        conditions = plan.conditions
        parts = [
            self._sentence(phrase, ids=self._join("comma", map(str, ids)))
            for phrase, ids in (("lines_categories", conditions.categories), ("lines_products", conditions.products))
            if ids
        ]
        if parts:
            yield self._sentence("lines", **of, what=self._join("and", parts))
        if not conditions.active:
            yield self._sentence("inactive_too", **of)
        amounts = {"own_sales": conditions.own_sales_min}
        amounts |= {f"cap_{period}": getattr(plan.caps, period) for period in ("entry", "order", "day", "month")}
        amounts["minimum"] = plan.minimum
        for phrase, money in amounts.items():
            if money:
                yield self._sentence(phrase, **of, amounts=self._money(money))

    def _overrides(self, overrides: Sequence[Override]) -> Iterator[tuple[str, tuple[int, ...]]]:
        """What each override applies to, and its rates; overrides with the same rates are grouped."""
        together: dict[tuple[str | None, str | None, tuple[int, ...]], list[int]] = {}
        for other in overrides:
            kind = "products" if other.product_id else "categories" if other.category_id else None
            number = other.product_id or other.category_id
            together.setdefault((kind, other.tier, other.rates_ppm), []).extend([number] if number else [])
        for (kind, tier, rates), numbers in together.items():
            what = self._sentence(kind, ids=self._join("comma", map(str, sorted(numbers)))) if kind else ""
            if tier:
                what = self._sentence("also_tier", what=what, tier=tier) if what else self._sentence("tier", tier=tier)
            yield what, rates

    def _levels(self, shares: Iterable[str | None]) -> str:
        texts = []
        for level, share in enumerate(shares, start=1):
            phrase = f"level_{level}" if level <= 2 else "level"
            texts.append(self._sentence(phrase, level=level, share=share or self._sentence("nothing")))
        return self._join("comma", texts)

    def _money(self, money: Money) -> str:
        return self._join("or", [_amount(minor, currency) for currency, minor in money.items()])

    def _join(self, word: str, parts: Iterable[str]) -> str:
        return self._phrases[word].join(parts)


def _percent(ppm: int) -> str:
    """50000 as `5%`, 12500 as `1.25%`."""
    whole, rest = divmod(ppm, RATE_SCALE // 100)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".") + "%"


def _percent_or_none(ppm: int) -> str | None:
    return _percent(ppm) if ppm else None


def _amount(minor: int, currency: str) -> str:
    return f"{to_amount(minor, currency):f} {currency}"
