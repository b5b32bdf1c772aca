"""Messages about payees, version 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool, StrictInt

from contracts.fields import Code, DistributorId
from contracts.payees.fields import PayoutMethod
from contracts.subjects import OfDistributor
from contracts.wire.envelope import Event, Timestamp


class PayeeChanged(OfDistributor, Event, type="payee.changed.v1"):
    """How a distributor is paid from now on. The highest `version` is the newest."""

    distributor_id: DistributorId
    version: Annotated[StrictInt, Field(description="Grows by one with each change.", examples=[3])]
    usable: Annotated[StrictBool, Field(description="Whether payouts may be sent, from `usable_from` on.")]
    reason: Annotated[Code | None, Field(description="Why not, if it is not usable.")] = None
    usable_from: Annotated[
        Timestamp | None, Field(description="The end of the cooling-off, if the account replaced another.")
    ] = None
    method: Annotated[PayoutMethod | None, Field(description="Absent if there is none.")] = None
    identity: Annotated[Code, Field(description="What is known of the payee's identity.", examples=["verified"])] = (
        "none"
    )
