"""Why an order pays what it pays: every line, every plan, and every earner the plan considered, paid or not.

Pure: made from the order, its commission as booked and the terms of its rules. Nothing is recalculated: it shows the
booked entries, and fails if they do not add up to the booked sums. Amounts in minor units;
`contracts.explanation.commission_sentences` renders it as text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from contracts.commissions.view import Commission, Entry, Unpaid
from contracts.explanation.explained import (
    ExplainedLine,
    Explanation,
    Hold,
    OrderFacts,
    Part,
    Person,
    TakenBack,
)
from contracts.orders.view import Line
from contracts.rules.view import Differential, Limit, Plan, Reason, Terms

_CAPS: tuple[Limit, ...] = ("entry", "order", "day", "month")
"""In the order in which the engine applies them."""

_GRANTED: tuple[Reason, ...] = ("cap_reached", "pool_exhausted", "below_minimum", "rounded_to_nothing")
"""The reasons of shares that were granted and then reduced to nothing."""

_AFTER_THE_CHAIN = 1_000
"""Sorts a team's leader, who has level 0, after the chain."""


def explain(order: OrderFacts, commission: Commission, terms: Terms) -> Explanation:
    """Explain what the order pays. AssertionError if the figures do not add up to the booked sums."""
    explainer = _Explainer(order, commission, terms)
    lines = tuple(explainer.line(index, line) for index, line in enumerate(order.lines))
    after_sale = commission.after_sale
    explanation = Explanation(
        order=order,
        seller_id=commission.seller_id,
        rule_version=commission.rule_version,
        title=terms.title,
        pool_rate_ppm=terms.pool_rate_ppm,
        lines=lines,
        people=tuple(_people(commission)),
        taken_back=tuple(_taken_back(commission)),
        hold=Hold(
            status=commission.status,
            hold_days=commission.hold_days,
            completed_at=commission.completed_at,
            release_at=commission.release_at,
            released_at=commission.released_at,
            open_since=after_sale.since if after_sale is not None and after_sale.open else None,
        ),
        pool_minor=commission.pool_minor,
        total_minor=commission.total_minor,
    )
    _assert_it_adds_up(explanation, commission)
    return explanation


class _Explainer:
    """Sorts the paid and unpaid parts into their lines, and adds the figures of the terms."""

    def __init__(self, order: OrderFacts, commission: Commission, terms: Terms) -> None:
        self._order = order
        self._commission = commission
        self._plans: Mapping[str, Plan] = {plan.name: plan for plan in terms.plans}
        self._rank = {plan.name: rank for rank, plan in enumerate(terms.plans)}
        self._position = {line.line: index for index, line in enumerate(order.lines)}
        leader = () if order.leader is None else (order.leader,)
        self._tiers = {(earner.level, earner.distributor_id): earner.tier for earner in (*order.upline, *leader)}
        # An order may have hundreds of lines, each with many entries, so no line looks at those of the others.
        self._entries: dict[int, list[tuple[Entry, int]]] = defaultdict(list)
        for entry, left in zip(commission.entries, commission.remaining_minor(), strict=True):
            self._entries[entry.line].append((entry, entry.amount_minor - left))
        self._unpaid_of: dict[int, list[Unpaid]] = defaultdict(list)
        for unpaid in commission.unpaid:
            for number in dict.fromkeys(unpaid.lines or self._position):
                self._unpaid_of[number].append(unpaid)
        self._drawn = _running_sums(commission.entries, self._position)

    def line(self, index: int, line: Line) -> ExplainedLine:
        paid = [self._paid(entry, taken_back_minor) for entry, taken_back_minor in self._entries[line.line]]
        unpaid = sorted(self._unpaid(line), key=lambda part: (self._rank[part.plan], part.level))
        pools = self._commission.pools_minor
        pool_minor = pools[index] if pools else 0
        return ExplainedLine(line, pool_minor, tuple(self._with_rates((*paid, *unpaid))))

    def _with_rates(self, parts: Sequence[Part]) -> Iterator[Part]:
        """The parts of a line; for a differential plan with the tier's rate, and whether the earner is a peer.

        `best_ppm` is the highest rate paid below, by plan; a share that was only rounded to nothing counts as paid.
        """
        best_ppm: dict[str, int] = {}
        by_place = {}
        for part in sorted(parts, key=lambda part: part.level):
            plan = self._plans[part.plan]
            if isinstance(plan, Differential) and part.reason in (None, *_GRANTED):
                rate_ppm = plan.rates_ppm[part.tier]
                below_ppm = best_ppm.get(part.plan, 0)
                is_peer = rate_ppm == below_ppm
                by_place[part.plan, part.level] = replace(part, tier_rate_ppm=rate_ppm, is_peer=is_peer)
                if part.reason in (None, "rounded_to_nothing"):
                    best_ppm[part.plan] = max(rate_ppm, below_ppm)
        for part in parts:
            yield by_place.get((part.plan, part.level), part)

    def _paid(self, entry: Entry, taken_back_minor: int) -> Part:
        limit_minor, drawn_minor = self._limit(entry.limited_by, entry.plan, entry.distributor_id, entry.line)
        return Part(
            line=entry.line,
            plan=entry.plan,
            kind=self._plans[entry.plan].plan,
            level=entry.level,
            distributor_id=entry.distributor_id,
            tier=entry.tier,
            base_minor=entry.base_minor,
            quantity=entry.quantity,
            rate_ppm=entry.rate_ppm,
            unit_minor=entry.unit_minor,
            amount_minor=entry.amount_minor,
            rounding=entry.rounding,
            taken_back_minor=taken_back_minor,
            limited_by=entry.limited_by,
            limit_minor=limit_minor,
            drawn_minor=drawn_minor,
        )

    def _unpaid(self, line: Line) -> Iterator[Part]:
        for unpaid in self._unpaid_of[line.line]:
            kind = self._plans[unpaid.plan].plan
            if not unpaid.uplines:
                yield Part(line.line, unpaid.plan, kind, 0, 0, "", unpaid.reason)
            for passed in unpaid.uplines:
                tier = self._tiers.get((passed.level, passed.distributor_id), "")
                part = Part(line.line, unpaid.plan, kind, passed.level, passed.distributor_id, tier, unpaid.reason)
                yield self._with_figures(part)

    def _with_figures(self, part: Part) -> Part:
        """The part with the figures behind its reason."""
        currency = self._order.currency
        plan = self._plans[part.plan]
        if part.reason == "own_sales_below_minimum":
            own_minor = self._commission.earned.own_sales_minor.get(part.distributor_id, 0)
            if part.distributor_id == self._commission.seller_id:
                own_minor += self._order.net_minor
            return replace(part, asked_minor=plan.conditions.own_sales_min[currency], own_sales_minor=own_minor)
        if part.reason == "below_minimum":
            return replace(part, limit_minor=plan.minimum[currency])
        if part.reason == "cap_reached":
            for limit in _CAPS:
                cap_minor, drawn_minor = self._limit(limit, part.plan, part.distributor_id, part.line)
                if cap_minor is not None and cap_minor <= drawn_minor:
                    return replace(part, limited_by=limit, limit_minor=cap_minor, drawn_minor=drawn_minor)
        return part

    def _limit(self, limit: Limit | None, plan: str, distributor_id: int, line: int) -> tuple[int | None, int]:
        """What the limit allows, and what the distributor had drawn on it before this line."""
        if limit is None:
            return None, 0
        if limit == "pool":
            pools = self._commission.pools_minor
            return (pools[self._position[line]] if pools else None), 0
        caps: Mapping[str, int] = getattr(self._plans[plan].caps, limit)
        if limit == "entry":
            return caps.get(self._order.currency), 0
        earned = self._commission.earned
        before = {"day": earned.day_minor, "month": earned.month_minor}.get(limit, {}).get(plan, {})
        positions, sums = self._drawn.get((plan, distributor_id), ([], []))
        entries_before = bisect_left(positions, self._position[line])
        drawn_minor = before.get(distributor_id, 0) + (sums[entries_before - 1] if entries_before else 0)
        return caps.get(self._order.currency), drawn_minor


def _running_sums(
    entries: Iterable[Entry], position: Mapping[int, int]
) -> dict[tuple[str, int], tuple[list[int], list[int]]]:
    """For each plan and distributor: the positions of the entries' lines, and the sums of the entries up to each."""
    found: dict[tuple[str, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for entry in sorted(entries, key=lambda entry: position[entry.line]):
        positions, sums = found[entry.plan, entry.distributor_id]
        positions.append(position[entry.line])
        sums.append((sums[-1] if sums else 0) + entry.amount_minor)
    return found


def _people(commission: Commission) -> Iterator[Person]:
    ranked = sorted(
        range(len(commission.entries)), key=lambda index: commission.entries[index].level or _AFTER_THE_CHAIN
    )
    remaining = commission.remaining_minor()
    sums: dict[int, list[int]] = {}
    for index in ranked:
        entry = commission.entries[index]
        had = sums.setdefault(entry.distributor_id, [0, 0])
        had[0] += entry.amount_minor
        had[1] += entry.amount_minor - remaining[index]
    for distributor_id, (amount_minor, taken_back_minor) in sums.items():
        yield Person(distributor_id, amount_minor, taken_back_minor)


def _taken_back(commission: Commission) -> Iterator[TakenBack]:
    for reversal in commission.reversals:
        sums: dict[int, int] = {}
        for entry, amount_minor in zip(commission.entries, reversal.amounts_minor, strict=True):
            sums[entry.distributor_id] = sums.get(entry.distributor_id, 0) - amount_minor
        taken = tuple((distributor_id, amount) for distributor_id, amount in sums.items() if amount)
        yield TakenBack(reversal.reference, reversal.reason, reversal.at, reversal.account, taken)


def _assert_it_adds_up(explanation: Explanation, commission: Commission) -> None:
    """The figures shown equal the figures booked: by line, by distributor and in total."""
    by_line: Counter[int] = Counter()
    by_person: Counter[int] = Counter()
    base = {line.order_line.line: line.order_line.net_minor for line in explanation.lines}
    for entry in commission.entries:
        by_line[entry.line] += entry.amount_minor
        by_person[entry.distributor_id] += entry.amount_minor
        assert entry.base_minor == base.get(entry.line), "an entry has another base"
    for line in explanation.lines:
        number = line.order_line.line
        assert line.paid_minor == by_line[number], f"line {number} does not add up to its entries"
    for person in explanation.people:
        distributor_id = person.distributor_id
        assert person.amount_minor == by_person[distributor_id], f"distributor {distributor_id} does not add up"
    assert sum(line.paid_minor for line in explanation.lines) == commission.total_minor, "an entry has no line"
    taken_back = sum(taken.total_minor for taken in explanation.taken_back)
    assert taken_back == sum(person.taken_back_minor for person in explanation.people), "reversals do not add up"
    assert explanation.remaining_minor == sum(commission.remaining_minor()), "what remains does not add up"
