"""Messages about payees, version 1. Accounts, names and id numbers are sealed before they are a message."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictInt

from contracts.approvals import IndependentOf
from contracts.fields import Code, Detail, DistributorId, OsUser, Reference
from contracts.payees.fields import CountryCode, Fingerprint, Hint, PayoutMethod, Sealed, SealedOrNone
from contracts.rules.v1 import AnyPerson, Person
from contracts.subjects import OfDistributor
from contracts.wire.envelope import Command, Event, Refusal, Timestamp

PayeeVersion = Annotated[StrictInt, Field(description="Grows by one with each change.", examples=[3])]
Payee = Annotated[DistributorId | None, Field(description="That person's own number, if a distributor.")]


class SetMethod(OfDistributor, Command, type="payee.set-method.v1"):
    """Pay a distributor by this method from now on. The same method again changes nothing."""

    distributor_id: DistributorId
    method: PayoutMethod
    fingerprint: Fingerprint
    by: Person
    os_user: OsUser = None


class RemoveMethod(OfDistributor, Command, type="payee.remove-method.v1"):
    """Pay a distributor no more until there is another method."""

    distributor_id: DistributorId
    by: Person
    os_user: OsUser = None


class AllowDuplicate(OfDistributor, Command, type="payee.allow-duplicate.v1"):
    """Allow an account that another distributor has too, which was refused. It takes two persons, who both send this;
    then the method can be set.
    """

    distributor_id: DistributorId
    fingerprint: Fingerprint
    by: Person
    by_distributor_id: Payee = None
    os_user: OsUser = None
    independent_of: IndependentOf = None


class WaiveCoolingOff(OfDistributor, Command, type="payee.waive-cooling-off.v1"):
    """Let payouts go to a new account at once. It takes two persons, who both send this."""

    distributor_id: DistributorId
    method_id: Reference
    by: Person
    by_distributor_id: Payee = None
    os_user: OsUser = None
    independent_of: IndependentOf = None


class SubmitIdentity(OfDistributor, Command, type="payee.submit-identity.v1"):
    """State who a payee is. Another person decides whether it is true."""

    distributor_id: DistributorId
    identity_id: Reference
    kind: Annotated[Literal["person", "company"], Field(examples=["person"])]
    legal_name: Sealed
    id_type: Annotated[Code, Field(description="Which number it is.", examples=["cn_ric"])]
    id_number: Sealed
    id_hint: Annotated[Hint, Field(description="What people may see of the number.", examples=["•••• 002X"])]
    country: CountryCode
    tax_residence: CountryCode
    tax_form: Annotated[Literal["none", "w9", "w8ben"], Field(examples=["none"])] = "none"
    tin: SealedOrNone = None
    documents: Annotated[
        tuple[Reference, ...],
        Field(max_length=20, description="Where the documents are, by ids of your own; they are not kept here."),
    ] = ()
    by: Person
    os_user: OsUser = None


class DecideIdentity(OfDistributor, Command, type="payee.decide-identity.v1"):
    """Another person states whether the identity that was submitted is true, or does not hold any more."""

    distributor_id: DistributorId
    identity_id: Reference
    state: Annotated[Literal["verified", "rejected", "expired"], Field(examples=["verified"])]
    reason: Annotated[Code | None, Field(description="A code of your own.", examples=["document_unreadable"])] = None
    by: Person
    by_distributor_id: Payee = None
    os_user: OsUser = None
    independent_of: IndependentOf = None


class PayeeChanged(OfDistributor, Event, type="payee.changed.v1"):
    """How a distributor is paid from now on. The highest `version` is the newest."""

    distributor_id: DistributorId
    version: PayeeVersion
    usable: Annotated[StrictBool, Field(description="Whether payouts may be sent, from `usable_from` on.")]
    reason: Annotated[Code | None, Field(description="Why not, if it is not usable.")] = None
    usable_from: Annotated[
        Timestamp | None, Field(description="The end of the cooling-off, if the account replaced another.")
    ] = None
    method: Annotated[PayoutMethod | None, Field(description="Absent if there is none.")] = None
    identity: Annotated[Code, Field(description="What is known of the payee's identity.", examples=["verified"])] = (
        "none"
    )


class PayeeApproved(OfDistributor, Event, type="payee.approved.v1"):
    """A person allowed what takes two: an account of several distributors, or a payout before the cooling-off ends."""

    distributor_id: DistributorId
    subject: Annotated[Code, Field(description="`duplicate` or `cooling_off`.", examples=["duplicate"])]
    approved_by: AnyPerson
    missing: Annotated[StrictInt, Field(description="How many more persons must allow it.", examples=[1])]
    os_user: OsUser = None


class PayeeRefused(OfDistributor, Refusal, type="payee.refused.v1"):
    distributor_id: DistributorId
    reason: Code
    detail: Detail
