"""The accounts of the ledger, and the kinds of its postings."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

LedgerAccount = Literal[
    "available",
    "payable",
    "in_payout",
    "paid",
    "commissions",
    "rewards",
    "adjustments",
    "tax",
    "fees",
    "written_off",
    "fx",
    "rail_fees",
]
"""The first four are the distributor's, the others the platform's side of it. `fx` is what conversions took in one
currency and gave in another, `rail_fees` what rails took.
"""

PostingKind = Literal[
    "release",
    "reversal",
    "reward",
    "reward_back",
    "adjustment",
    "write_off",
    "close",
    "send",
    "paid",
    "failed",
    "returned",
    "fee",
]
"""The last five are of payouts."""

OTHER_SIDE: Mapping[PostingKind, LedgerAccount] = MappingProxyType(
    {
        "release": "commissions",
        "reversal": "commissions",
        "reward": "rewards",
        "reward_back": "rewards",
        "adjustment": "adjustments",
        "write_off": "written_off",
    }
)
"""The platform's side of a posting to `available`; postings of payouts have other sides."""

FIGURE_OF: Mapping[PostingKind, str] = MappingProxyType(
    {
        "release": "released_minor",
        "reversal": "reversed_minor",
        "reward": "rewards_minor",
        "reward_back": "rewards_minor",
        "adjustment": "adjustments_minor",
        "write_off": "written_off_minor",
        "send": "returned_minor",
        "paid": "returned_minor",
        "failed": "returned_minor",
        "returned": "returned_minor",
        "fee": "returned_minor",
    }
)
"""The figure of a statement to which a posting adds what it makes available."""
