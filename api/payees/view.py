"""Payees as shown: accounts by their last characters, names not at all."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.http.ids import ShownId
from api.identity.principal import Principal
from contracts.payees.view import PAYEES, IdentityState, Payee
from infra.ports.store import Reader
from infra.runtime.repository import Codec

_payees = Codec(Payee, key="distributor_id")
_KNOW_PEOPLE = frozenset(("payees:approve", "users:read"))
"""Who has one of these sees who set, allowed and decided."""


class MethodView(BaseModel):
    model_config = ConfigDict(title="PayoutMethod")

    method_id: str = Field(examples=["4b0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11"])
    rail: str = Field(examples=["iso20022"])
    currency: str = Field(examples=["EUR"])
    country: str = Field(examples=["DE"])
    account: str = Field(description="Its last characters.", examples=["•••• 3000"])
    bank_code: str | None = Field(examples=["COBADEFF"])
    set_at: datetime
    set_by: str | None = Field(
        description="Null, as all names here, for those who decide nothing.", examples=["distributor/4f1c0d3a"]
    )


class IdentityView(BaseModel):
    model_config = ConfigDict(title="PayeeIdentity")

    identity_id: str = Field(examples=["4b0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11"])
    state: IdentityState = Field(examples=["verified"])
    reason: str | None = Field(examples=[None])
    kind: str = Field(examples=["person"])
    id_type: str = Field(examples=["cn_ric"])
    id_number: str = Field(description="Its last characters.", examples=["•••• 002X"])
    country: str = Field(examples=["CN"])
    tax_residence: str = Field(examples=["CN"])
    tax_form: str = Field(examples=["none"])
    documents: list[str] = Field(examples=[["scan-2026-0042"]])
    submitted_at: datetime
    submitted_by: str | None = Field(examples=["distributor/4f1c0d3a"])
    decided_at: datetime | None
    decided_by: str | None = Field(examples=["admin/0a2c0d3a"])


class DuplicateView(BaseModel):
    model_config = ConfigDict(title="RefusedDuplicate")

    fingerprint: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    refused_at: datetime
    refused_by: str = Field(description="Who wanted to set it.", examples=["distributor/4f1c0d3a"])


class PayeeView(BaseModel):
    """How a distributor is paid, and if not, why."""

    model_config = ConfigDict(title="Payee")

    distributor_id: ShownId = Field(examples=[40021])
    version: int = Field(examples=[3])
    usable: bool = Field(description="Whether payouts are sent, from `usable_from` on.", examples=[True])
    reason: str | None = Field(description="Why not.", examples=[None])
    usable_from: datetime | None = Field(description="The end of the cooling-off, if the account replaced another.")
    method: MethodView | None
    identity: IdentityView | None
    duplicate: DuplicateView | None = Field(
        description="An account of another distributor that waits for two persons; for those who decide."
    )
    waived_by: list[str] = Field(description="Who waived the cooling-off; for those who decide.", examples=[[]])


async def payee_of(reader: Reader, distributor_id: int) -> Payee:
    found = await reader.find(PAYEES, {"_id": distributor_id}, limit=1)
    return _payees.to_entity(found[0]) if found else Payee(distributor_id)


def payee_view(payee: Payee, principal: Principal) -> PayeeView:
    knows = not _KNOW_PEOPLE.isdisjoint(principal.permissions)
    method, identity, duplicate = payee.method, payee.identity, payee.duplicate
    return PayeeView(
        distributor_id=payee.distributor_id,
        version=payee.version,
        usable=payee.reason is None,
        reason=payee.reason,
        usable_from=payee.usable_from if method else None,
        method=MethodView(
            method_id=method.method_id,
            rail=method.rail,
            currency=method.currency,
            country=method.country,
            account=method.hint,
            bank_code=method.bank_code,
            set_at=method.set_at,
            set_by=method.set_by if knows else None,
        )
        if method
        else None,
        identity=IdentityView(
            identity_id=identity.identity_id,
            state=identity.state,
            reason=identity.reason,
            kind=identity.kind,
            id_type=identity.id_type,
            id_number=identity.id_hint,
            country=identity.country,
            tax_residence=identity.tax_residence,
            tax_form=identity.tax_form,
            documents=list(identity.documents),
            submitted_at=identity.submitted_at,
            submitted_by=identity.submitted_by if knows else None,
            decided_at=identity.decided_at,
            decided_by=identity.decided_by if knows else None,
        )
        if identity
        else None,
        duplicate=DuplicateView(
            fingerprint=duplicate.fingerprint, refused_at=duplicate.refused_at, refused_by=duplicate.refused_by
        )
        if duplicate and knows
        else None,
        waived_by=list(payee.waived_by) if knows else [],
    )
