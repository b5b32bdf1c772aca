"""Whom a plan pays on a line and at which rate or amount, before any limit: the meaning of each kind of plan.

Rules are compiled once for each currency, so that the look-up of a line's rates is as fast with a thousand overrides
as with none. Lines with the same rates share one walk, which assumes that everyone is paid. If a limit leaves an upline
nothing, only a differential plan changes: the line continues with the walk `without` that upline.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from contracts.commissions.view import Earned
from contracts.plans.sale import Earner, Sale, SaleLine
from contracts.rules.view import Caps, Differential, Limit, Plan, Reason, TeamBonus, Terms, Unilevel

TERMS_KEPT_MAX = 64
"""Compiled rules, by rule set and currency. A worker needs a handful of them; a rehearsal compares two."""

LevelRates = tuple[int, ...]
RatesByTier = dict[str | None, LevelRates]
"""Rates by tier; None stands for every other tier."""


class Grant(NamedTuple):
    """An earner's share of a line: net x rate, or quantity x unit. The unused one is 0."""

    level: int
    distributor_id: int
    tier: str
    rate_ppm: int
    unit_minor: int


class Skipped(NamedTuple):
    """An earner who gets nothing from the plan, and why."""

    reason: Reason
    level: int
    distributor_id: int


class Walk(NamedTuple):
    """All earners that a plan considers, each in one of the two lists, ordered by level.

    `cut` has the levels that a limit left nothing; they are in neither list.
    """

    grants: tuple[Grant, ...]
    skipped: tuple[Skipped, ...]
    cut: tuple[int, ...] = ()


Walked = tuple[Walk, list[int]]
"""A walk, and the lines that it applies to."""

Verdict = tuple[Earner, "int | Reason"]
"""An earner's rate or amount, above 0, or the reason why there is none."""

Candidate = tuple[Earner, "Reason | None"]
"""An upline, and the reason if it does not qualify for the plan."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """The rates of a unilevel plan by product and category, so that the narrowest is found by look-up."""

    by_product: Mapping[int, RatesByTier]
    by_category: Mapping[int, RatesByTier]
    elsewhere: RatesByTier

    def on(self, line: SaleLine) -> Callable[[str], LevelRates]:
        """The rates of each tier on a line: the product's, else the category's, else the general ones."""
        narrow = (self.by_product.get(line.product_id), self.by_category.get(line.category_id))

        def rates_of(tier: str) -> LevelRates:
            for rates in narrow:
                if rates is None:
                    continue
                if tier in rates:
                    return rates[tier]
                if None in rates:
                    return rates[None]
            return self.elsewhere[tier if tier in self.elsewhere else None]

        return rates_of


@dataclass(frozen=True, slots=True)
class CompiledPlan:
    """A plan in one currency. `caps_minor` is in the order in which the caps apply."""

    plan: Plan
    own_sales_min_minor: int
    covers_all: bool
    categories: Container[int]
    products: Container[int]
    overrides: Overrides
    minimum_minor: int
    caps_minor: tuple[tuple[Limit, int], ...]

    def covers(self, line: SaleLine) -> bool:
        return self.covers_all or line.product_id in self.products or line.category_id in self.categories


class Walks:
    """The walks of one plan through one sale, with the lines that each applies to."""

    __slots__ = ("_candidates", "_compiled", "_known", "_sale", "depend_on_limits")

    def __init__(self, compiled: CompiledPlan, sale: Sale, earned: Earned) -> None:
        self._compiled = compiled
        self._sale = sale
        self._known: dict[object, Walked] = {}
        self.depend_on_limits = isinstance(compiled.plan, Differential)
        self._candidates = [(earner, _unqualified(compiled, sale, earned, earner)) for earner in self._considered()]

    def on(self, line: SaleLine) -> Walked:
        """The walk of the plan for a line if everyone is paid. The caller adds the line to the list."""
        overrides = self._compiled.overrides
        covered = self._compiled.covers(line)
        key = covered and (
            line.product_id if line.product_id in overrides.by_product else None,
            line.category_id if line.category_id in overrides.by_category else None,
        )
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = (self._walk(line, covered), [])
        return known

    def without(self, walk: Walk, grant: Grant) -> Walked:
        """The same walk of a differential plan if this grant is not paid; grants before it do not change."""
        cut = (*walk.cut, grant.level)
        # A tuple of levels never equals a key of `on`, whose parts are None: a differential plan has no overrides.
        known = self._known.get(cut)
        if known is None:
            assert isinstance(self._compiled.plan, Differential), (
                "only a differential plan depends on what is paid below"
            )
            known = self._known[cut] = (_walk(by_tier(self._candidates, self._compiled.plan, cut), cut=cut), [])
        return known

    def walked(self) -> Iterable[Walked]:
        return (walked for walked in self._known.values() if walked[1])

    def _considered(self) -> tuple[Earner, ...]:
        """The earners that the plan considers: the chain, or the team's leader."""
        if not isinstance(self._compiled.plan, TeamBonus):
            return self._sale.upline
        return () if self._sale.leader is None else (self._sale.leader,)

    def _walk(self, line: SaleLine, covered: bool) -> Walk:
        plan = self._compiled.plan
        chain: Sequence[Candidate] = self._candidates
        if not covered:
            return _walk((earner, "not_covered") for earner, _ in chain)
        if isinstance(plan, Unilevel):
            return _walk(by_level(chain, self._compiled.overrides.on(line), plan.compression))
        if isinstance(plan, Differential):
            return _walk(by_tier(chain, plan))
        if isinstance(plan, TeamBonus):
            return _walk(for_leader(chain, plan, self._sale.upline[0].distributor_id))
        amounts = plan.amounts_minor.get(self._sale.currency)
        if amounts is None:
            return _walk((earner, "no_amount_in_currency") for earner, _ in chain)
        return _walk(by_level(chain, lambda tier: amounts, plan.compression), per_unit=True)


def compiled(terms: Terms, currency: str) -> tuple[CompiledPlan, ...]:
    """The plans of a rule set in a currency, compiled at the first call."""
    return _compiled(_ByIdentity(terms), currency)


def by_level(
    chain: Iterable[Candidate], figures_of: Callable[[str], Sequence[int]], compression: bool
) -> Iterator[Verdict]:
    """Each level has its rate or amount. With compression, unqualified uplines do not use up a level."""
    passed_over = 0
    for earner, unqualified in chain:
        if unqualified is not None:
            passed_over += 1
            yield earner, unqualified
            continue
        figures = figures_of(earner.tier)
        level = earner.level - passed_over if compression else earner.level
        if level > len(figures):
            yield earner, "beyond_last_level"
        else:
            yield earner, figures[level - 1] or "no_rate_at_level"


def by_tier(chain: Iterable[Candidate], plan: Differential, cut: Container[int] = ()) -> Iterator[Verdict]:
    """Each gets its rate minus the best rate below; the nearest with exactly the best rate gets the peer rate, once.

    The levels of `cut` are not paid: they do not count for those above, and get no verdict.
    """
    best_ppm = 0
    peer_is_open = False
    for earner, unqualified in chain:
        rate_ppm = plan.rates_ppm.get(earner.tier, 0)
        if earner.level in cut:
            continue
        if unqualified is not None:
            yield earner, unqualified
        elif earner.level > plan.levels_max:
            yield earner, "beyond_last_level"
        elif rate_ppm == 0:
            yield earner, "tier_without_rate"
        elif rate_ppm > best_ppm:
            yield earner, rate_ppm - best_ppm
            best_ppm = rate_ppm
            peer_is_open = plan.peer_rate_ppm > 0
        elif rate_ppm == best_ppm and peer_is_open:
            yield earner, plan.peer_rate_ppm
            peer_is_open = False
        else:
            yield earner, "not_above_tiers_below"


def for_leader(chain: Iterable[Candidate], plan: TeamBonus, seller_id: int) -> Iterator[Verdict]:
    """The leader's share; by default not of the leader's own sales."""
    for leader, unqualified in chain:
        if leader.distributor_id == seller_id and not plan.own_sales:
            yield leader, "own_sale"
        else:
            yield leader, unqualified or plan.rate_ppm or "no_rate_at_level"


def _walk(verdicts: Iterable[Verdict], per_unit: bool = False, cut: tuple[int, ...] = ()) -> Walk:
    grants = []
    skipped = []
    for earner, verdict in verdicts:
        if isinstance(verdict, str):
            skipped.append(Skipped(verdict, earner.level, earner.distributor_id))
        else:
            rate_ppm, unit_minor = (0, verdict) if per_unit else (verdict, 0)
            grants.append(Grant(earner.level, earner.distributor_id, earner.tier, rate_ppm, unit_minor))
    return Walk(tuple(grants), tuple(skipped), cut)


def _unqualified(compiled: CompiledPlan, sale: Sale, earned: Earned, earner: Earner) -> Reason | None:
    """Why the earner does not qualify. Own sales are the month's so far; the seller's include this sale."""
    if compiled.plan.conditions.active and not earner.active:
        return "inactive"
    if compiled.own_sales_min_minor:
        own_sales_minor = earned.own_sales_minor.get(earner.distributor_id, 0)
        if earner.distributor_id == sale.upline[0].distributor_id:
            own_sales_minor += sum(line.net_minor for line in sale.lines)
        if own_sales_minor < compiled.own_sales_min_minor:
            return "own_sales_below_minimum"
    return None


class _ByIdentity:
    """Rule sets contain mappings and cannot be hashed, but never change: the same object is the same rules."""

    __slots__ = ("terms",)

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def __hash__(self) -> int:
        return id(self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and self.terms is other.terms


@lru_cache(maxsize=TERMS_KEPT_MAX)
def _compiled(rules: _ByIdentity, currency: str) -> tuple[CompiledPlan, ...]:
    return tuple(_compile(plan, currency) for plan in rules.terms.plans)


def _compile(plan: Plan, currency: str) -> CompiledPlan:
    conditions = plan.conditions
    return CompiledPlan(
        plan=plan,
        own_sales_min_minor=conditions.own_sales_min.get(currency, 0),
        covers_all=not conditions.categories and not conditions.products,
        categories=frozenset(conditions.categories),
        products=frozenset(conditions.products),
        overrides=_overrides(plan),
        minimum_minor=plan.minimum.get(currency, 0),
        caps_minor=tuple(_caps(plan.caps, currency)),
    )


def _caps(caps: Caps, currency: str) -> Iterator[tuple[Limit, int]]:
    by_limit: tuple[tuple[Limit, Mapping[str, int]], ...] = (
        ("entry", caps.entry),
        ("order", caps.order),
        ("day", caps.day),
        ("month", caps.month),
    )
    for limit, amounts in by_limit:
        if currency in amounts:
            yield limit, amounts[currency]


def _overrides(plan: Plan) -> Overrides:
    """Index the overrides by what they apply to. Valid documents have no duplicates; of two, the first would win."""
    by_product: dict[int, RatesByTier] = {}
    by_category: dict[int, RatesByTier] = {}
    elsewhere: RatesByTier = {}
    if isinstance(plan, Unilevel):
        for override in plan.overrides:
            if override.product_id is not None:
                rates = by_product.setdefault(override.product_id, {})
            elif override.category_id is not None:
                rates = by_category.setdefault(override.category_id, {})
            else:
                rates = elsewhere
            rates.setdefault(override.tier, override.rates_ppm)
        elsewhere.setdefault(None, plan.rates_ppm)
    return Overrides(by_product, by_category, elsewhere)
