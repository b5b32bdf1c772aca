"""A backtest as a chart in plain SVG: the cost of each month today and under the draft, and who gains and loses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape

from contracts.money import to_amount
from infra.rehearsal.backtest import Backtest
from infra.rehearsal.comparison import Change, Comparison

_WIDTH, _LEFT, _RIGHT = 960, 84, 24
_HEADER, _BLOCK = 64, 640
_TODAY, _DRAFT, _LOSS, _GAIN, _SAME = "#94a3b8", "#2563eb", "#dc2626", "#059669", "#94a3b8"
_INK, _FAINT, _GRID = "#0f172a", "#64748b", "#e2e8f0"
_FONT = "Inter, 'Segoe UI', 'Noto Sans', 'PingFang SC', 'Microsoft YaHei', sans-serif"
_MONTHS_LABELLED_MAX = 16
_TICKS = 4
_STEPS = 4
"""Powers of ten on either side of no change, in the distribution of gains and losses."""


def svg_of(found: Backtest) -> str:
    """The whole backtest, with a block for each currency, the one with most orders first."""
    blocks = sorted(found.by_currency.items(), key=lambda item: (-item[1].orders, item[0]))
    height = _HEADER + _BLOCK * max(len(blocks), 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'height="{height}" font-family="{_FONT}" role="img">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 36, f"“{found.title}” rehearsed, {found.first_day} to {found.last_day}", size=20, bold=True),
        _text(_LEFT, 57, f"{found.orders:,} orders of market {found.market}, net of refunds", fill=_FAINT),
    ]
    if not blocks:
        parts.append(_text(_LEFT, _HEADER + 60, "No paid order was placed in this period.", size=16))
    for number, (currency, comparison) in enumerate(blocks):
        parts.extend(_block(currency, comparison, _HEADER + number * _BLOCK))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _block(currency: str, comparison: Comparison, top: int) -> Iterator[str]:
    before, after = _major(comparison.before_minor, currency), _major(comparison.after_minor, currency)
    change = f"{(after - before) / before * 100:+.1f} %" if before else ""
    sales = _major(comparison.sales_minor, currency)
    of_sales = [f"{cost / sales * 100:.2f} % of sales" if sales else "" for cost in (before, after)]
    yield _text(_LEFT, top + 36, f"Cost in {currency}", size=15, bold=True)
    yield f'<rect x="{_LEFT}" y="{top + 47}" width="12" height="12" rx="2" fill="{_TODAY}"/>'
    yield _text(_LEFT + 18, top + 58, f"today {before:,} ({of_sales[0]})")
    yield f'<rect x="{_LEFT + 380}" y="{top + 47}" width="12" height="12" rx="2" fill="{_DRAFT}"/>'
    yield _text(_LEFT + 398, top + 58, f"draft {after:,} ({of_sales[1]}) {change}")
    yield from _months(currency, comparison, top + 80, 220)
    gains, losses, same = _counted(comparison.changes())
    yield _text(_LEFT, top + 370, "Distributors by what they gain or lose", size=15, bold=True)
    yield _text(_LEFT, top + 391, f"{losses:,} lose, {same:,} stay the same, {gains:,} gain", fill=_FAINT)
    yield from _distribution(currency, comparison.changes(), top + 410, 160)


def _months(currency: str, comparison: Comparison, top: int, height: int) -> Iterator[str]:
    months = sorted(comparison.by_month.items())
    pairs = [(_major(m.before_minor, currency), _major(m.after_minor, currency)) for _, m in months]
    highest = _nice(max((amount for pair in pairs for amount in pair), default=Decimal(1)))
    bottom = top + height
    for tick in range(_TICKS + 1):
        y = bottom - height * tick / _TICKS
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{_GRID}"/>'
        yield _text(_LEFT - 10, y + 4, _short(highest * tick / _TICKS), fill=_FAINT, anchor="end")
    slot = (_WIDTH - _LEFT - _RIGHT) / max(len(months), 1)
    bar = min(slot * 0.36, 44)
    every = -(-len(months) // _MONTHS_LABELLED_MAX)
    for index, ((month, _), pair) in enumerate(zip(months, pairs, strict=True)):
        middle = _LEFT + slot * (index + 0.5)
        for side, (amount, fill) in enumerate(zip(pair, (_TODAY, _DRAFT), strict=True)):
            tall = float(max(amount, Decimal(0)) / highest) * height
            x = middle - bar - 1 + side * (bar + 2)
            yield _bar(x, bottom - tall, bar, tall, fill, f"{month}: {amount:,} {currency}")
        if index % every == 0:
            yield _text(middle, bottom + 20, month, fill=_FAINT, anchor="middle")


def _distribution(currency: str, changes: Sequence[Change], top: int, height: int) -> Iterator[str]:
    amounts = [_major(change.change_minor, currency) for change in changes]
    edges = _edges(max((abs(amount) for amount in amounts), default=Decimal(1)))
    buckets = [0] * (2 * len(edges) + 1)
    for amount in amounts:
        reached = sum(abs(amount) >= edge for edge in edges)
        buckets[len(edges) + (reached if amount > 0 else -reached)] += 1
    highest = max(*buckets, 1)
    bottom = top + height
    slot = (_WIDTH - _LEFT - _RIGHT) / len(buckets)
    yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}" stroke="{_GRID}"/>'
    for index, count in enumerate(buckets):
        reached = index - len(edges)
        fill = _SAME if reached == 0 else _GAIN if reached > 0 else _LOSS
        tall = (height - 20) * count / highest
        x = _LEFT + slot * index
        label = _label(reached, edges)
        yield _bar(x + slot * 0.1, bottom - tall, slot * 0.8, tall, fill, f"{label}: {count:,}")
        if count:
            yield _text(x + slot / 2, bottom - tall - 6, f"{count:,}", anchor="middle")
        yield _text(x + slot / 2, bottom + 20, label, fill=_FAINT, anchor="middle")


def _edges(largest: Decimal) -> list[Decimal]:
    """Powers of ten up to the largest change, the smallest first."""
    power = max(largest, Decimal(1)).adjusted()
    return [Decimal(10) ** exponent for exponent in range(power - _STEPS + 1, power + 1)]


def _label(reached: int, edges: Sequence[Decimal]) -> str:
    if reached == 0:
        return f"less than {_short(edges[0])}"
    sign, low = "+" if reached > 0 else "−", _short(edges[abs(reached) - 1])
    if abs(reached) == len(edges):
        return f"{sign}{low} or more"
    return f"{sign}{low} to {sign}{_short(edges[abs(reached)])}"


def _counted(changes: Sequence[Change]) -> tuple[int, int, int]:
    gains = sum(change.change_minor > 0 for change in changes)
    losses = sum(change.change_minor < 0 for change in changes)
    return gains, losses, len(changes) - gains - losses


def _nice(largest: Decimal) -> Decimal:
    """The smallest round number that is not below the largest bar."""
    if largest <= 0:
        return Decimal(1)
    power = Decimal(10) ** largest.adjusted()
    return next(
        power * step for step in map(Decimal, ("1", "2", "3", "4", "5", "6", "8", "10")) if power * step >= largest
    )


def _short(amount: Decimal) -> str:
    for size, unit in ((10**9, "b"), (10**6, "m"), (10**3, "k")):
        if amount >= size:
            return f"{(amount / size).normalize():f}{unit}"
    return f"{amount.normalize():f}"


def _major(minor: int, currency: str) -> Decimal:
    return to_amount(minor, currency)


def _bar(x: float, y: float, width: float, height: float, fill: str, tip: str) -> str:
    shape = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(height, 0):.1f}" rx="2" fill="{fill}"'
    return f"<rect {shape}><title>{escape(tip)}</title></rect>"


def _text(
    x: float, y: float, text: str, *, size: int = 13, fill: str = _INK, anchor: str = "start", bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )
