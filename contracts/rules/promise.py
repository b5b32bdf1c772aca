"""The most that the plans of a rule set may pay on one line, as a share of its net: what the pool has to cover.

Fixed amounts are not a share of the net; only the pool limits them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest

from contracts.rules.view import Differential, Plan, TeamBonus, Unilevel

KINDS_OF_LINES_MAX = 20_000
"""Combinations of products and categories that are paid differently; more would take too long to compare."""

RATE_LISTS_MAX = 1_000_000
"""Kinds of lines, times the tiers that the overrides of all plans name: each kind compares the rates of each tier."""


class TooManyKinds(ValueError):
    """The rule set distinguishes more kinds of lines, or tiers on them, than can be compared."""


@dataclass(frozen=True, slots=True)
class Promise:
    """The most that is promised on a line of this product and category; None is any that the rules do not name."""

    rate_ppm: int
    product_id: int | None
    category_id: int | None
    by_plan_ppm: Mapping[str, int]


def highest_promise(plans: Sequence[Plan], *, part: int = 1) -> Promise:
    """Return the kind of line on which these plans may pay most, if everyone above the seller qualifies for all.

    `part` divides the limits. Raises TooManyKinds if the rule set names too many products and categories that are all
    paid differently, or too many tiers on them.
    """
    readers = [_Reader.of(plan) for plan in plans]
    kinds_max, lists_max = KINDS_OF_LINES_MAX // part, RATE_LISTS_MAX // part
    kinds = list(islice(_kinds(readers), kinds_max + 1))
    if len(kinds) > kinds_max:
        raise TooManyKinds(
            f"more than {kinds_max} kinds of lines are paid differently; use fewer overrides by product or by category"
        )
    if len(kinds) * sum(reader.tiers for reader in readers) > lists_max:
        raise TooManyKinds(
            f"{len(kinds)} kinds of lines are paid differently, by too many tiers; use fewer overrides by tier"
        )
    promises = (
        Promise(sum(by_plan.values()), product_id, category_id, by_plan)
        for product_id, category_id in kinds
        for by_plan in [{reader.plan.name: reader.at_most_ppm(product_id, category_id) for reader in readers}]
    )
    return max(promises, key=lambda promise: promise.rate_ppm)


_Key = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class _Reader:
    """A plan and its overrides by product and category, each with the rates by tier; None stands for every tier."""

    plan: Plan
    overrides: Mapping[_Key, Mapping[str | None, tuple[int, ...]]]
    covered_products: frozenset[int]
    covered_categories: frozenset[int]
    products: frozenset[int]
    categories: frozenset[int]
    _known: dict[_Key, int] = field(default_factory=dict)
    """What has been computed: most kinds of lines differ only in what other plans name."""

    @classmethod
    def of(cls, plan: Plan) -> _Reader:
        by_key: dict[_Key, dict[str | None, tuple[int, ...]]] = {}
        for other in plan.overrides if isinstance(plan, Unilevel) else ():
            by_key.setdefault((other.product_id, other.category_id), {})[other.tier] = other.rates_ppm
        products, categories = frozenset(plan.conditions.products), frozenset(plan.conditions.categories)
        return cls(
            plan,
            by_key,
            products,
            categories,
            products.union(product for product, _ in by_key if product is not None),
            categories.union(category for _, category in by_key if category is not None),
        )

    def depends_on_category(self, product_id: int) -> bool:
        """Whether a line of this product is paid by its category as well."""
        if self.covered_categories and product_id not in self.covered_products:
            return True
        return bool(self.categories) and None not in self.overrides.get((product_id, None), {})

    def rates_of_product(self, product_id: int) -> object:
        """The rates of this product; products with equal ones are paid the same."""
        return product_id in self.covered_products, _frozen(self.overrides.get((product_id, None)))

    def rates_of_category(self, category_id: int) -> object:
        return category_id in self.covered_categories, _frozen(self.overrides.get((None, category_id)))

    @property
    def tiers(self) -> int:
        """How many the overrides name, at least 1."""
        return len({tier for by_tier in self.overrides.values() for tier in by_tier} | {None})

    def at_most_ppm(self, product_id: int | None, category_id: int | None) -> int:
        key = (
            product_id if product_id in self.products else None,
            category_id if category_id in self.categories else None,
        )
        if key not in self._known:
            self._known[key] = self._at_most_ppm(*key)
        return self._known[key]

    def _at_most_ppm(self, product_id: int | None, category_id: int | None) -> int:
        plan = self.plan
        is_listed = product_id in self.covered_products or category_id in self.covered_categories
        if not is_listed and (self.covered_products or self.covered_categories):
            return 0
        if isinstance(plan, Unilevel):
            return self._by_level_ppm(plan, product_id, category_id)
        if isinstance(plan, Differential):
            return _differential_ppm(plan)
        return plan.rate_ppm if isinstance(plan, TeamBonus) else 0

    def _by_level_ppm(self, plan: Unilevel, product_id: int | None, category_id: int | None) -> int:
        """Each level may have an earner of the tier that is paid most there."""
        narrowest_first = ((product_id, None), (None, category_id), (None, None))
        best: dict[str | None, tuple[int, ...]] = {}
        for key in narrowest_first[product_id is None :]:
            for tier, rates in self.overrides.get(key, {}).items():
                best.setdefault(tier, rates)
            if None in best:
                break
        best.setdefault(None, plan.rates_ppm)
        return sum(max(level) for level in zip_longest(*best.values(), fillvalue=0))


def _differential_ppm(plan: Differential) -> int:
    """The highest rate, and one peer for each rate that may be paid; a peer needs an upline below with that rate."""
    rates = {rate for rate in plan.rates_ppm.values() if rate}
    peers = min(len(rates), plan.levels_max // 2)
    return max(rates, default=0) + plan.peer_rate_ppm * peers


def _kinds(readers: Sequence[_Reader]) -> Iterator[_Key]:
    """One product and category for each kind of line; lines that all plans treat alike are one kind."""
    categories = _alike(readers, [r.categories for r in readers], _Reader.rates_of_category)
    products = _alike(readers, [r.products for r in readers], _Reader.rates_of_product)
    yield None, None
    for category in categories:
        yield None, category
    for product in products:
        yield product, None
        if any(reader.depends_on_category(product) for reader in readers):
            for category in categories:
                yield product, category


def _alike(
    readers: Sequence[_Reader], named: Iterable[frozenset[int]], rates_of: Callable[[_Reader, int], object]
) -> list[int]:
    """One number for each group that the plans treat alike. Each plan is asked only about the numbers that it names."""
    treated: dict[int, list[object]] = {}
    for reader, numbers in zip(readers, named, strict=True):
        for number in numbers:
            treated.setdefault(number, []).append((reader.plan.name, rates_of(reader, number)))
    first: dict[object, int] = {}
    for number in sorted(treated):
        first.setdefault(tuple(treated[number]), number)
    return list(first.values())


def _frozen(by_tier: Mapping[str | None, tuple[int, ...]] | None) -> object:
    return frozenset(by_tier.items()) if by_tier else None
