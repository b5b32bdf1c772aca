"""A statement in words, in English or Chinese, from its stored numbers. Amounts are decimal text.

Both sums of a statement are checked here, so that no form of it shows figures that contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from contracts.explanation.rule_phrases import Language
from contracts.explanation.statement_phrases import PHRASES
from contracts.money import to_amount
from contracts.settlement.view import OpenPeriod, Period, Posting, Statement

PRINTED = (
    "opening",
    "released",
    "reversed",
    "rewards",
    "adjustments",
    "written_off",
    "returned",
    "gross",
    "withheld",
    "fees",
    "payable",
    "carried",
)
"""The figures of a statement, in the order in which they are printed; each is a field `…_minor`."""


class StatementMismatch(ValueError):
    """The figures of a stored statement contradict each other, or its lines; the text states which."""


@dataclass(slots=True)
class LineTotals:
    """What the lines of a statement add up to, as they are rendered one by one."""

    minor: int = 0
    lines: int = 0

    def add(self, posting: Posting) -> None:
        self.minor += posting.amount_minor
        self.lines += 1

    def check(self, statement: Statement) -> None:
        """Raises StatementMismatch if these are not all lines of the statement."""
        expected = lines_minor(statement)
        if (self.minor, self.lines) != (expected, statement.posting_count):
            raise StatementMismatch(
                f"statement {statement.statement_id} has {statement.posting_count} lines of {expected} minor units, "
                f"and its postings are {self.lines} of {self.minor}; run `tributary verify`"
            )


def lines_minor(statement: Statement) -> int:
    """The sum of the lines that the statement states."""
    return (
        statement.released_minor
        + statement.reversed_minor
        + statement.rewards_minor
        + statement.adjustments_minor
        + statement.written_off_minor
        + statement.returned_minor
    )


def check(statement: Statement) -> None:
    """Raises StatementMismatch unless opening + lines = gross = payable + withheld + fees + carried."""
    parts = statement.payable_minor + statement.withheld_minor + statement.fees_minor + statement.carried_minor
    if not statement.opening_minor + lines_minor(statement) == statement.gross_minor == parts:
        raise StatementMismatch(
            f"the figures of statement {statement.statement_id} do not add up; run `tributary verify`"
        )


class StatementWords:
    """The words of one statement in one language. Raises StatementMismatch if its figures do not add up."""

    def __init__(self, statement: Statement, language: Language) -> None:
        check(statement)
        self.statement = statement
        self.language = language
        self._words = PHRASES[language]

    def word(self, key: str, **values: object) -> str:
        return self._words[key].format(**values)

    def amount(self, minor: int) -> str:
        return amount_text(minor, self.statement.currency)

    def moment(self, moment: datetime) -> str:
        """A time in the zone of the statement, to the minute."""
        return local_text(moment, self.statement.zone)

    def title(self) -> str:
        return self.word("title", statement=self.statement.statement_id)

    def heading(self) -> tuple[str, ...]:
        """The owner of the statement, and its period."""
        statement = self.statement
        by = self.word("by", by=statement.by) if statement.by else ""
        return (
            self.word(
                "number",
                number=statement.number,
                market=statement.market,
                distributor=statement.distributor_id,
                currency=statement.currency,
                terms=statement.terms_version,
            ),
            self.word(
                "period",
                period=statement.period,
                starts_at=self.moment(statement.starts_at),
                ends_at=self.moment(statement.ends_at),
                zone=statement.zone,
                closed_at=self.moment(statement.closed_at),
                by=by,
            ),
        )

    def figures(self) -> Iterator[tuple[str, str]]:
        """Each figure with its name, and the outcome in a word."""
        for name in PRINTED:
            yield self.word(name), self.amount(getattr(self.statement, f"{name}_minor"))
        yield self.word("outcome"), self.word(f"status_{self.statement.outcome}")

    def sums(self) -> tuple[str, str]:
        """Both sums that hold on every statement."""
        amounts = {name: self.amount(getattr(self.statement, f"{name}_minor")) for name in PRINTED}
        lines = self.amount(lines_minor(self.statement))
        return self.word("sum_of_lines", lines=lines, **amounts), self.word("sum_of_gross", **amounts)

    def sentences(self) -> Iterator[str]:
        """What becomes of the gross, and what a reader would ask about it."""
        statement, currency = self.statement, self.statement.currency
        yield self._outcome()
        if statement.is_final:
            yield self.word("final")
        if statement.returned_minor:
            yield self.word("came_back", returned=f"{self.amount(statement.returned_minor)} {currency}")
        if statement.late_minor:
            yield self.word("late", late=f"{self.amount(statement.late_minor)} {currency}")
        if (withheld := statement.withheld) is not None:
            yield self.word(
                "tax",
                rule=withheld.rule,
                version=withheld.version,
                month=withheld.month,
                month_gross=self.amount(withheld.month_gross_minor + withheld.base_minor),
                month_withheld=self.amount(withheld.month_withheld_minor),
                amount=self.amount(withheld.amount_minor),
            )

    def sentences_so_far(self) -> Iterator[str]:
        """The sentences of a statement that is not closed yet."""
        first, *others = self.sentences()
        yield self.word("so_far") + first
        yield from others

    def columns(self) -> tuple[str, ...]:
        """The headings of `line`."""
        return tuple(map(self.word, ("date", "kind", "order", "reference", "late_from", "amount")))

    def line(self, posting: Posting) -> tuple[str, ...]:
        """Date, kind, order, reference, earlier period and amount of one posting."""
        return (
            self.moment(posting.effective_at),
            self.word(f"kind_{posting.kind}"),
            posting.order or "",
            posting.reference,
            posting.late_from or "",
            self.amount(posting.amount_minor),
        )

    def _outcome(self) -> str:
        statement = self.statement
        is_used_up = statement.outcome == "below_minimum" and statement.gross_minor >= statement.minimum_minor
        return self.word(
            "outcome_fees" if is_used_up else f"outcome_{statement.outcome}",
            payable=self.amount(statement.payable_minor),
            gross=self.amount(statement.gross_minor),
            minimum=self.amount(statement.minimum_minor),
            owed=self.amount(-statement.gross_minor),
            currency=statement.currency,
        )


def dates_sentence(market: str, period: OpenPeriod | Period, language: Language) -> str:
    """When a period ends and closes."""
    return PHRASES[language]["dates"].format(**_about(market, period))


def time_left_sentence(market: str, period: OpenPeriod | Period, language: Language, now: datetime) -> str:
    """When a period ends, and how long that is from now; or when it ended, and closes."""
    words, about = PHRASES[language], _about(market, period)
    if period.ends_at <= now:
        return words["over"].format(**about)
    return words["not_over"].format(left=_left(period.ends_at - now, language), **about)


def _about(market: str, period: OpenPeriod | Period) -> dict[str, str]:
    times = {"ends_at": local_text(period.ends_at, period.zone), "closes_at": local_text(period.closes_at, period.zone)}
    return {"market": market, "period": period.period, "zone": period.zone, **times}


def _left(span: timedelta, language: Language) -> str:
    hours, minutes = divmod(int(span.total_seconds()) // 60, 60)
    days, hours_of_day = divmod(hours, 24)
    if days:
        return PHRASES[language]["left"].format(days=days, hours=hours_of_day, minutes=minutes)
    return PHRASES[language]["left_today"].format(hours=hours, minutes=minutes)


def amount_text(minor: int, currency: str) -> str:
    """Minor units as decimal text, with the digits of the currency."""
    return format(to_amount(minor, currency), "f")


def local_text(moment: datetime, zone: str) -> str:
    """A time in a zone, to the minute: `2026-11-01 00:00`."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"
