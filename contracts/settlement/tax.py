"""Tax that is withheld, as versioned tables. Not tax advice: have a table checked before you use it.

A table is cumulative for each account and calendar month: what is withheld now is what is due on all statements of the
month, less what earlier ones of the month withheld; never negative.
Source of `cn_labour`: individual income tax law of the People's Republic of China, remuneration for labour services,
withholding table (20 % to 40 %), in force since 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from contracts.money import RATE_SCALE


@dataclass(frozen=True, slots=True)
class Bracket:
    """Up to `up_to_minor` of the month's gross (None: without end), tax is the rate of the base, less `less_minor`.

    The base is the gross less `allowance_minor`, then times `base_ppm`.
    """

    up_to_minor: int | None
    allowance_minor: int
    base_ppm: int
    rate_ppm: int
    less_minor: int = 0


@dataclass(frozen=True, slots=True)
class TaxTable:
    """A version of a rule, for statements closed from `since` on. Brackets are in ascending order."""

    version: str
    since: date
    currency: str
    brackets: tuple[Bracket, ...]

    def due_minor(self, gross_minor: int) -> int:
        """The tax on a month's gross, in whole minor units, rounded half up."""
        for bracket in self.brackets:
            if bracket.up_to_minor is None or gross_minor <= bracket.up_to_minor:
                scaled = (gross_minor - bracket.allowance_minor) * bracket.base_ppm * bracket.rate_ppm
                rounded = (2 * scaled + RATE_SCALE**2) // (2 * RATE_SCALE**2)
                return max(rounded - bracket.less_minor, 0)
        return 0


TAX_RULES: Mapping[str, tuple[TaxTable, ...]] = {
    "cn_labour": (
        TaxTable(
            "2019",
            date(2019, 1, 1),
            "CNY",
            (
                Bracket(800_00, 0, 0, 0),
                Bracket(4_000_00, 800_00, 1_000_000, 200_000),
                Bracket(25_000_00, 0, 800_000, 200_000),
                Bracket(62_500_00, 0, 800_000, 300_000, 2_000_00),
                Bracket(None, 0, 800_000, 400_000, 7_000_00),
            ),
        ),
    ),
}
"""The versions of each rule, by time."""


def table_of(rule: str | None, day: date, currency: str) -> TaxTable | None:
    """The version of a rule that holds on a day; None if there is none, or if the rule is not for this currency."""
    tables = [table for table in TAX_RULES.get(rule or "", ()) if table.since <= day and table.currency == currency]
    return tables[-1] if tables else None


def table_of_version(rule: str, version: str, currency: str) -> TaxTable | None:
    """The table by which a stored figure was withheld."""
    for table in TAX_RULES.get(rule, ()):
        if table.version == version and table.currency == currency:
            return table
    return None


def withhold(table: TaxTable, month_gross_minor: int, month_withheld_minor: int, gross_minor: int) -> int:
    """What to withhold of `gross_minor`, after earlier statements of the same month."""
    return max(table.due_minor(month_gross_minor + gross_minor) - month_withheld_minor, 0)
