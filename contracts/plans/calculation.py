"""What a rule set pays for a sale: pure arithmetic on integers, the meaning of the rules contract.

Each line has a closed pool. A plan's share of it is exact. It is cut by the plan's caps and by what earlier plans left
of the pool, and dropped if less than the plan's minimum is left. All shares of a line are then rounded together, once,
by largest remainder, which counts the fractions of the order's lines before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Protocol

from contracts.commissions.view import Earned, Entry, Passed, Unpaid
from contracts.money import RATE_SCALE, largest_remainder
from contracts.plans.plans import CompiledPlan, Grant, Skipped, Walks, compiled
from contracts.plans.sale import Earner, Sale, SaleLine
from contracts.rules.view import Limit, Reason, Terms

ARITHMETIC = 3
"""What new commissions are calculated with; each stores its number, so that it can be recomputed later.

1 cut the shares of a line to its pool in whole minor units, and rounded each line by itself.
2 cuts them to the exact pool; of the whole minor units of the pool, those left over go to who is owed most by all lines
so far. Small lines no longer move money from one earner to another (decision 0056).
3 pays like 2. What refunds leave stays within the pool of what is left, and is rounded over all lines of the order
(decision 0066).
"""

__all__ = ["Earner", "Needs", "Outcome", "Sale", "SaleLine", "calculate", "needs", "rounded_together"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`pools_minor` has the pool of each line, in the order of the lines. Entries are sorted by line, plan, level."""

    pools_minor: tuple[int, ...]
    entries: tuple[Entry, ...]
    unpaid: tuple[Unpaid, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """The figures of `Earned` that a rule set needs; `day` and `month` name the plans with such a cap."""

    own_sales: bool
    day: frozenset[str]
    month: frozenset[str]

    @property
    def anything(self) -> bool:
        return bool(self.own_sales or self.day or self.month)


def needs(terms: Terms) -> Needs:
    """The figures of the distributors to load before `calculate`."""
    return Needs(
        own_sales=any(plan.conditions.own_sales_min for plan in terms.plans),
        day=frozenset(plan.name for plan in terms.plans if plan.caps.day),
        month=frozenset(plan.name for plan in terms.plans if plan.caps.month),
    )


def calculate(terms: Terms, sale: Sale, earned: Earned, arithmetic: int = ARITHMETIC) -> Outcome:
    """Return who gets what from a sale, and who gets nothing and why.

    Each earner that a plan considers (the chain, or the team's leader) has an entry or an Unpaid for each line.
    """
    drawings = [_Drawing(plan, sale, earned) for plan in compiled(terms, sale.currency)]
    pools: list[int] = []
    entries: list[Entry] = []
    for line in sale.lines:
        pool = line.net_minor * terms.pool_rate_ppm
        pool_minor = pool // RATE_SCALE
        pools.append(pool_minor)
        if arithmetic == 1:
            shares = _exact_shares(line, pool_minor * RATE_SCALE, drawings)
            amounts = largest_remainder([numerator for _, _, numerator, _ in shares], RATE_SCALE)
        else:
            shares = _exact_shares(line, pool, drawings)
            amounts = rounded_together(shares, pool_minor)
        entries += _entries(line, shares, amounts)
    unpaid = tuple(unpaid for drawing in drawings for unpaid in drawing.unpaid())
    return Outcome(tuple(pools), tuple(entries), unpaid)


_Share = tuple["_Drawing", Grant, int, "Limit | None"]
"""A grant before rounding: its exact amount in minor units / RATE_SCALE, and the limit that cut it."""


def _exact_shares(line: SaleLine, pool: int, drawings: Iterable[_Drawing]) -> list[_Share]:
    """Each earner's share of a line from each plan, within the plan's limits and the pool, in units of a `_Share`."""
    shares: list[_Share] = []
    net_minor = line.net_minor
    left = pool
    for drawing in drawings:
        walk, lines = drawing.walks.on(line)
        grants = walk.grants
        index = 0
        while index < len(grants):
            grant = grants[index]
            limited_by: Limit | None = None
            numerator = net_minor * grant.rate_ppm + line.quantity * grant.unit_minor * RATE_SCALE
            if drawing.caps:
                numerator, limited_by = drawing.capped(grant.distributor_id, numerator)
            if numerator > left:
                numerator, limited_by = left, "pool"
            if numerator == 0 and limited_by is not None:
                drawing.pass_over(grant, "pool_exhausted" if limited_by == "pool" else "cap_reached", line)
            elif numerator < drawing.minimum:
                drawing.pass_over(grant, "below_minimum", line)
            else:
                left -= numerator
                shares.append((drawing, grant, numerator, limited_by))
                index += 1
                continue
            if drawing.walks.depend_on_limits:
                # Those above are paid as if this upline did not exist; the next one is now at this index.
                walk, lines = drawing.walks.without(walk, grant)
                grants = walk.grants
            else:
                index += 1
        lines.append(line.line)
    return shares


class _Earns(Protocol):
    @property
    def distributor_id(self) -> int: ...


class _Owes(Protocol):
    owed: dict[int, int]


def rounded_together(shares: Sequence[tuple[_Owes, _Earns, int, object]], pool_minor: int) -> list[int]:
    """Round the shares of a line down, and give the units left over to those that are owed most, the earlier of equals.

    A share is owed its fractions on the lines so far, less the units that it got for them. The units are what this adds
    up to, half up, as far as the pool has room. A share without a fraction gets none, so no cap is exceeded; nor does
    one that is owed nothing: over the lines of an order it never gets a whole unit more than its exact shares.
    """
    amounts: list[int] = []
    due: list[tuple[int, int, dict[int, int], int]] = []
    all_due = 0
    for drawing, grant, numerator, _ in shares:
        whole, fraction = divmod(numerator, RATE_SCALE)
        if fraction:
            distributor_id = grant.distributor_id
            owed = fraction + drawing.owed.get(distributor_id, 0)
            all_due += owed
            due.append((owed, len(amounts), drawing.owed, distributor_id))
        amounts.append(whole)
    if due:
        left = min((2 * all_due + RATE_SCALE) // (2 * RATE_SCALE), pool_minor - sum(amounts))
        # A stable sort keeps the earlier of equals first, reversed or not.
        due.sort(key=itemgetter(0), reverse=True)
        for owed, index, carried, distributor_id in due:
            if left > 0 and owed > 0:
                amounts[index] += 1
                left -= 1
                owed -= RATE_SCALE
            carried[distributor_id] = owed
    return amounts


def _entries(line: SaleLine, shares: Iterable[_Share], amounts: Iterable[int]) -> Iterator[Entry]:
    """The entries of a line; a share rounded to nothing gets none."""
    for (drawing, grant, numerator, limited_by), amount_minor in zip(shares, amounts, strict=True):
        if amount_minor == 0:
            drawing.pass_over(grant, "rounded_to_nothing", line)
            continue
        level, distributor_id, tier, rate_ppm, unit_minor = grant
        if drawing.caps:
            drawing.drawn[distributor_id] = drawing.drawn.get(distributor_id, 0) + amount_minor
        yield Entry(
            line.line,
            line.product_id,
            drawing.name,
            level,
            distributor_id,
            tier,
            line.net_minor,
            line.quantity,
            rate_ppm,
            unit_minor,
            amount_minor,
            amount_minor - numerator // RATE_SCALE,
            limited_by,
        )


class _Drawing:
    """One plan drawing on the lines of one sale, one after the other.

    `drawn` is what the sale has given each distributor from the plan so far, in whole minor units; `owed` what rounding
    has kept back from each (negative: given in advance), in minor units / RATE_SCALE.
    """

    __slots__ = ("_line_count", "_skipped", "_without_team", "caps", "drawn", "minimum", "name", "owed", "walks")

    def __init__(self, compiled: CompiledPlan, sale: Sale, earned: Earned) -> None:
        self.name = compiled.plan.name
        self.walks = Walks(compiled, sale, earned)
        self.minimum = compiled.minimum_minor * RATE_SCALE
        before: dict[Limit, Mapping[int, int]] = {
            "day": earned.day_minor.get(self.name, {}),
            "month": earned.month_minor.get(self.name, {}),
        }
        self.caps = [(limit, cap_minor, before.get(limit, {})) for limit, cap_minor in compiled.caps_minor]
        self.drawn: dict[int, int] = {}
        self.owed: dict[int, int] = {}
        self._skipped: dict[Skipped, list[int]] = {}
        self._line_count = len(sale.lines)
        self._without_team = compiled.plan.plan == "team_bonus" and sale.leader is None

    def capped(self, distributor_id: int, numerator: int) -> tuple[int, Limit | None]:
        """Cut a share to the least that the caps leave this distributor; of equal caps the first is named."""
        limited_by: Limit | None = None
        drawn = self.drawn.get(distributor_id, 0)
        for limit, cap_minor, before in self.caps:
            gone = 0 if limit == "entry" else drawn + before.get(distributor_id, 0)
            headroom = max(cap_minor - gone, 0) * RATE_SCALE
            if headroom < numerator:
                numerator, limited_by = headroom, limit
        return numerator, limited_by

    def pass_over(self, grant: Grant, reason: Reason, line: SaleLine) -> None:
        skipped = Skipped(reason, grant.level, grant.distributor_id)
        self._skipped.setdefault(skipped, []).append(line.line)

    def unpaid(self) -> Iterator[Unpaid]:
        """Who got nothing on which lines: grouped by reason and lines, sorted by the first level."""
        if self._without_team:
            yield Unpaid(self.name, "no_team", (), ())
        for walk, lines in self.walks.walked():
            for skipped in walk.skipped:
                self._skipped.setdefault(skipped, []).extend(lines)
        together: dict[tuple[Reason, tuple[int, ...]], list[Passed]] = {}
        for skipped, lines in sorted(self._skipped.items(), key=_level_and_line):
            where = () if len(lines) == self._line_count else tuple(sorted(lines))
            together.setdefault((skipped.reason, where), []).append(Passed(skipped.level, skipped.distributor_id))
        for (reason, where), uplines in together.items():
            yield Unpaid(self.name, reason, where, tuple(uplines))


def _level_and_line(item: tuple[Skipped, list[int]]) -> tuple[int, int]:
    skipped, lines = item
    return skipped.level, min(lines)
