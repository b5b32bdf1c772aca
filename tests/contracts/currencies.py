"""Writes contracts/currencies.json from the package iso4217: `python -m tests.contracts.currencies`."""

from __future__ import annotations

import json

import iso4217

from contracts.money import CURRENCIES, MINOR_DIGITS_EVER


def current() -> dict[str, object]:
    """The codes in use and the withdrawn ones. Metals and test codes have no digits, and are left out."""
    in_use = {code.value: code.exponent for code in iso4217.Currency if code.exponent is not None}
    withdrawn = {code: digits for code, digits in MINOR_DIGITS_EVER.items() if code not in in_use}
    return {"published": iso4217.__published__.isoformat(), "in_use": in_use, "withdrawn": withdrawn}


def to_text() -> str:
    return json.dumps(current(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    CURRENCIES.write_text(to_text(), "utf-8")
