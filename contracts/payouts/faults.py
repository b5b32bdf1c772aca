"""Why a payment fails, in codes of our own: each adapter translates those of its rail."""

from __future__ import annotations

ACCOUNT_FAULTS = frozenset(
    {"account_unknown", "account_closed", "account_blocked", "name_mismatch", "payee_unknown", "payee_unable"}
)
"""The account or its holder is the reason: another payment to it would fail too, so the method is switched off."""

FUNDS = "insufficient_funds"
"""Our own account at the rail has too little money: the rail is paused, and the same attempt is made later."""

EXPIRED = "not_confirmed"
"""The payee did not confirm in time. The method stays as it is."""

AMOUNT_DIFFERS = "amount_differs"
"""The rail names another amount or currency under our key: a conflict for a person."""

RAIL_FAULTS = frozenset(
    {
        "rejected",
        "limit_exceeded",
        "currency_not_supported",
        "invalid_order",
        "not_permitted",
        "cancelled",
        "unexplained",
    }
)
"""The rail's own reasons. `unexplained`: a code of the rail that the adapter does not know; `detail` has it."""

FAULTS = ACCOUNT_FAULTS | RAIL_FAULTS | {FUNDS, EXPIRED, AMOUNT_DIFFERS}
