"""The codes of ISO 20022: what a status means, and why a payment was rejected or returned, as faults of ours."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.payouts.faults import FUNDS
from contracts.payouts.v1 import ReportOutcome
from infra.adapters.outside.rails.standing import Standing, word_of

STATES: Mapping[str, ReportOutcome] = {
    **dict.fromkeys(("RCVD", "PDNG", "ACTC", "ACFC", "ACCP", "ACSP", "ACWC", "ACWP", "PART", "PATC"), "accepted"),
    # The debit of our account is booked.
    **dict.fromkeys(("ACSC", "ACCC"), "paid"),
    **dict.fromkeys(("RJCT", "CANC"), "failed"),
}

DUPLICATES = frozenset({"DUPL", "AM05"})
"""The bank has this message already. The earlier one goes on, and has a status of its own."""

_FAULTS: Mapping[str, tuple[str, ...]] = {
    "account_unknown": ("AC01", "AC03", "AC14", "AC15", "RC01", "RC03", "RC04", "BE16"),
    "account_closed": ("AC04", "AC07"),
    "account_blocked": ("AC06",),
    "name_mismatch": ("BE01", "BE22", "NAME"),
    "payee_unknown": ("BE06",),
    "payee_unable": ("AG01", "CNOR", "MD07", "AG04"),
    FUNDS: ("AM04",),
    "limit_exceeded": ("AM02", "AM14", "AM21"),
    "currency_not_supported": ("AM03", "CURR", "AC09"),
    "invalid_order": ("FF01", "AM01", "AM09", "AM10", "AM18", "BE04", "BE05", "BE07", "CH03", "CH16", "DT01"),
    "not_permitted": ("AC02", "AG02", "AG03", "RR01", "RR02", "RR03", "RR04", "DS0B", "DS01"),
    "cancelled": ("CUST", "FOCR", "DS02", "CANC"),
    "rejected": ("MS02", "MS03", "TM01", "ED05", "FRAD", "LEGL", "UPAY"),
}
FAULTS: Mapping[str, str] = {code: fault for fault, codes in _FAULTS.items() for code in codes}


def standing_of(status: str, reason: str | None) -> Standing:
    """What a status of a payment means, with the reason that the bank gives."""
    outcome = STATES.get(status)
    if outcome is None:
        return Standing("unknown", "unexplained", word_of(status))
    if outcome != "failed":
        return Standing(outcome, outcome, status)
    if reason in DUPLICATES:
        return Standing("accepted", "accepted", f"{status} {reason}")
    return Standing("failed", fault_of(reason or status), f"{status} {word_of(reason)}" if reason else status)


def fault_of(reason: str | None) -> str:
    return FAULTS.get(reason or "", "unexplained")
