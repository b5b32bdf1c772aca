"""An explanation in sentences, in English or Chinese, for a distributor who does not understand a figure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from contracts.explanation.commission_phrases import PHRASES, STATUSES_IN_CHINESE
from contracts.explanation.explained import ExplainedLine, Explanation, OrderFacts, Part, TakenBack, exact_share
from contracts.explanation.rule_phrases import Language
from contracts.money import to_amount


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, empty for the first, and full sentences."""

    heading: str
    sentences: tuple[str, ...]


def sentences_of(explanation: Explanation, language: Language = "en") -> tuple[Section, ...]:
    """The whole explanation, from the order to the amounts that are available."""
    return tuple(_Renderer(explanation, language).sections())


def why_nothing(
    key: str, order: OrderFacts | None, refusal: tuple[str, str] | None = None, language: Language = "en"
) -> str:
    """Why an order has no commissions to explain. `refusal` is a reason code and its sentence."""
    words = PHRASES[language]
    if order is None and refusal is not None:
        reason, detail = refusal
        return words["order_refused"].format(order=key, reason=reason, detail=detail.rstrip("."))
    if order is None:
        return words["order_unknown"].format(order=key)
    if order.status in ("pending", "rejected", "cancelled"):
        return words[f"order_{order.status}"].format(order=key, reason=order.reason)
    return words["order_not_booked"].format(order=key)


class _Renderer:
    """Renders one explanation in one language."""

    def __init__(self, explanation: Explanation, language: Language) -> None:
        self._explanation = explanation
        self._language = language
        self._words = PHRASES[language]
        self._currency = explanation.order.currency
        self._step = str(to_amount(1, self._currency))

    def sections(self) -> Iterator[Section]:
        explanation = self._explanation
        yield Section("", (self._order(), self._pays()))
        everywhere = self._unpaid_everywhere()
        for line in explanation.lines:
            yield self._line(line, everywhere)
        if everywhere:
            yield Section(self._sentence("heading_unpaid"), tuple(self._unpaid(everywhere)))
        if explanation.people:
            yield Section(self._sentence("heading_people"), tuple(self._people()))
        if explanation.taken_back:
            yield Section(self._sentence("heading_back"), tuple(map(self._taken_back, explanation.taken_back)))
        yield Section(self._sentence("heading_hold"), (self._hold(),))

    def _sentence(self, phrase: str, **values: object) -> str:
        return self._words[phrase].format(**values)

    def _money(self, minor: int) -> str:
        return f"{to_amount(minor, self._currency)} {self._currency}"

    def _rate(self, ppm: int) -> str:
        percent = (Decimal(ppm) / 10_000).normalize()
        return f"{percent:f} %" if self._language == "en" else f"{percent:f}%"

    def _order(self) -> str:
        explanation, order = self._explanation, self._explanation.order
        status = order.status if self._language == "en" else STATUSES_IN_CHINESE[order.status]
        return self._sentence(
            "order",
            order=order.key,
            placed_at=_moment(order.placed_at),
            seller=explanation.seller_id,
            status=status,
            version=explanation.rule_version,
            title=explanation.title,
        )

    def _pays(self) -> str:
        total, pool = self._explanation.total_minor, self._explanation.pool_minor
        figures = {"total": total, "pool": pool, "rest": pool - total}
        return self._sentence("pays", **{name: self._money(minor) for name, minor in figures.items()})

    def _line(self, line: ExplainedLine, everywhere: tuple[Part, ...]) -> Section:
        ordered = line.order_line
        net = self._money(ordered.net_minor)
        sentences = [self._sentence("net_whole", net=net)]
        if ordered.discount_minor:
            amounts = {"amount": ordered.amount_minor, "discount": ordered.discount_minor}
            parts = {name: self._money(minor) for name, minor in amounts.items()}
            sentences = [self._sentence("net", net=net, **parts)]
        rate = self._rate(self._explanation.pool_rate_ppm)
        pool, paid = self._money(line.pool_minor), self._money(line.paid_minor)
        sentences.append(self._sentence("line_pool", rate=rate, pool=pool, paid=paid))
        has_remainder = any(part.rounding for part in line.paid)
        sentences += [self._paid(part, has_remainder) for part in line.paid]
        common = set(map(_anywhere, everywhere))
        sentences += self._unpaid(part for part in line.unpaid if _anywhere(part) not in common)
        if ordered.refunded_quantity or ordered.refunded_minor:
            refunded = self._money(ordered.refunded_minor)
            units, quantity = ordered.refunded_quantity, ordered.quantity
            sentences.append(self._sentence("given_back", units=units, quantity=quantity, refunded=refunded, net=net))
        heading = self._sentence("line", line=ordered.line, quantity=ordered.quantity, product=ordered.product_id)
        return Section(heading, tuple(sentences))

    def _paid(self, part: Part, has_remainder: bool) -> str:
        place = "leader" if part.level == 0 else "seller" if part.level == 1 else "level"
        who = self._sentence(f"who_{place}", distributor=part.distributor_id, level=part.level, tier=part.tier)
        how = self._share(part) + self._cut(part) + self._rounding(part, has_remainder)
        text = self._sentence("paid", who=who, amount=self._money(part.amount_minor), plan=self._plan(part), how=how)
        if part.taken_back_minor:
            taken, left = part.taken_back_minor, part.amount_minor - part.taken_back_minor
            text += self._sentence("part_back", taken=self._money(taken), left=self._money(left))
        return text

    def _plan(self, part: Part) -> str:
        return self._sentence(f"plan_{part.kind}", plan=part.plan)

    def _share(self, part: Part) -> str:
        """How the exact share is calculated."""
        exact = format(exact_share(part, self._currency), "f")
        net = to_amount(part.base_minor, self._currency)
        if part.kind == "fixed":
            unit = to_amount(part.unit_minor, self._currency)
            return self._sentence("of_units", unit=unit, quantity=part.quantity, exact=exact)
        figures = {"rate": self._rate(part.rate_ppm), "net": net, "exact": exact, "tier": part.tier}
        if part.tier_rate_ppm is None:
            return self._sentence("of_rate", **figures)
        if part.is_peer:
            return self._sentence("of_peer", **figures)
        if part.tier_rate_ppm == part.rate_ppm:
            return self._sentence("of_first_tier", **figures)
        below = self._rate(part.tier_rate_ppm - part.rate_ppm)
        return self._sentence("of_difference", tier_rate=self._rate(part.tier_rate_ppm), below=below, **figures)

    def _cut(self, part: Part) -> str:
        if part.limited_by is None or part.limit_minor is None:
            return ""
        limit, drawn = self._money(part.limit_minor), self._money(part.drawn_minor)
        return self._sentence(f"cut_{part.limited_by}", limit=limit, drawn=drawn)

    def _rounding(self, part: Part, has_remainder: bool) -> str:
        """How the fraction was rounded. `has_remainder`: some share of the line got a unit."""
        if part.rounding:
            return self._sentence("rounded_up", step=self._step)
        is_whole = part.amount_minor == exact_share(part, self._currency).scaleb(_digits(self._currency))
        if is_whole or part.limited_by:
            return ""
        return self._sentence("rounded_off" if has_remainder else "rounded_off_all", step=self._step)

    def _unpaid_everywhere(self) -> tuple[Part, ...]:
        """The parts that are unpaid on every line for the same reason. With several lines they are listed once."""
        first, *others = self._explanation.lines
        if not others:
            return ()
        shared = set(map(_anywhere, first.unpaid))
        for line in others:
            shared &= set(map(_anywhere, line.unpaid))
        return tuple(part for part in first.unpaid if _anywhere(part) in shared)

    def _unpaid(self, parts: Iterable[Part]) -> Iterator[str]:
        """One sentence for each plan and reason, naming all who got nothing."""
        together: dict[tuple[str, str], list[Part]] = {}
        for part in parts:
            together.setdefault((self._plan(part), self._reason(part)), []).append(part)
        for (plan, reason), group in together.items():
            if group[0].reason == "no_team":
                yield self._sentence("no_team", plan=plan)
                continue
            whos = self._sentence("listed").join(map(self._earner, group))
            yield self._sentence("unpaid", plan=plan, whos=whos, reason=reason)

    def _earner(self, part: Part) -> str:
        place = "leader" if part.level == 0 else "seller" if part.level == 1 else "level"
        return self._sentence(f"unpaid_{place}", distributor=part.distributor_id, level=part.level)

    def _reason(self, part: Part) -> str:
        if part.reason is None or part.reason == "no_team":
            return ""
        phrase = f"cap_reached_{part.limited_by}" if part.limited_by else part.reason
        return self._sentence(
            phrase,
            tier=part.tier,
            step=self._step,
            limit=self._money(part.limit_minor or 0),
            drawn=self._money(part.drawn_minor),
            required=self._money(part.asked_minor or 0),
            own_sales=self._money(part.own_sales_minor or 0),
            currency=self._currency,
        )

    def _people(self) -> Iterator[str]:
        for person in self._explanation.people:
            figures = {"amount": person.amount_minor, "taken": person.taken_back_minor, "left": person.remaining_minor}
            phrase = "person_back" if person.taken_back_minor else "person"
            amounts = {name: self._money(minor) for name, minor in figures.items()}
            yield self._sentence(phrase, distributor=person.distributor_id, **amounts)

    def _taken_back(self, taken: TakenBack) -> str:
        phrase = "refund" if taken.reason == "order_refunded" else "cancellation"
        if not taken.by_distributor_minor:
            phrase += "_nothing"
        shares = self._sentence("listed").join(
            self._sentence("share", distributor=distributor_id, amount=self._money(amount))
            for distributor_id, amount in taken.by_distributor_minor
        )
        return self._sentence(
            phrase,
            at=_moment(taken.at),
            reference=taken.reference,
            total=self._money(taken.total_minor),
            account=self._sentence(taken.account),
            shares=shares,
            step=self._step,
        )

    def _hold(self) -> str:
        explanation, hold = self._explanation, self._explanation.hold
        if not explanation.remaining_minor:
            return self._sentence("nothing_left" if explanation.total_minor else "nothing_paid")
        phrase, moment = "until_completed", hold.completed_at
        if hold.status == "released":
            phrase = "released"
        elif hold.open_since is not None:
            phrase = "until_closed"
        elif hold.release_at is not None and moment is not None:
            phrase = "until_later" if hold.release_at > moment + timedelta(days=hold.hold_days) else "until"
        moments = {
            "released_at": hold.released_at,
            "since": hold.open_since,
            "release_at": hold.release_at,
            "completed_at": moment,
        }
        times = {name: _moment(moment) if moment else "" for name, moment in moments.items()}
        return self._sentence(phrase, left=self._money(explanation.remaining_minor), days=hold.hold_days, **times)


def _anywhere(part: Part) -> Part:
    """The part without its line, for comparison across lines."""
    return replace(part, line=0)


def _digits(currency: str) -> int:
    exponent = to_amount(1, currency).as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
