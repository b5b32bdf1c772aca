"""The ids in messages of payouts, and what those messages are about."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

PayoutId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=160,
        description="The payout has the id of its statement: market, period, distributor and currency.",
        examples=["default/2026-10/40021/CNY"],
    ),
]
RailKey = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{32}$",
        description="Identifies the attempt at the rail for ever: sent again, it is paid once.",
        examples=["0f8fad5bd9cb469fa16570867728950e"],
    ),
]
ReportId = Annotated[
    str,
    Field(
        pattern=r"^[!-~]{1,128}$",
        description="The rail's own id of the report (an event, an entry of a bank statement): it counts once.",
        examples=["entry-2026-11-30-7714"],
    ),
]
ProviderReference = Annotated[
    str, Field(pattern=r"^[!-~]{1,128}$", description="The rail's own id of the payment.", examples=["TX-7714"])
]


class OfBatch:
    batch_id: str

    def about(self) -> str:
        return f"payout-batch/{self.batch_id}"


class OfPayout:
    """A payout has the id of the statement whose payable amount it sends."""

    payout_id: str

    def about(self) -> str:
        return f"payout/{self.payout_id}"
