"""How a distributor is paid, and who they are. What says where money goes is sealed before it is a command.

A distributor sees and sets their own; what takes other persons is for finance and administrators.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Literal, TypeVar

import structlog
from fastapi import APIRouter, Path, Response
from fastapi import Body as BodyOf
from pydantic import Field, SecretStr

from api.access.guard import needs
from api.access.ports import Here, Ports
from api.access.scope import acts_for, require_reach
from api.access.second_person import require_others
from api.access.writing import Writing, written
from api.http.bodies import Body, BodyRoute
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, Reason, documented
from api.identity.principal import Principal
from api.payees.view import PayeeView, payee_of, payee_view
from contracts.fields import Code, Currency, Reference
from contracts.payees.fields import CountryCode, Fingerprint, RailName
from contracts.payees.v1 import AllowDuplicate, DecideIdentity, RemoveMethod, SetMethod, WaiveCoolingOff
from contracts.payees.view import ACCOUNTS
from infra.payees.accounts import ACCOUNT_MAX, NAME_MAX, GivenMethod, GivenRefused, sealed_method
from infra.payees.identities import GivenIdentity, Kind, TaxForm, sealed_identity
from infra.ports.vault import CannotOpen

log = structlog.get_logger()

REASONS = {
    "account_invalid": Reason(422, "The account or the name on it is not valid.", "收款账户或户名无效，请更正。"),
    "identity_invalid": Reason(422, "The name or a number of the identity is not valid.", "身份信息无效，请更正。"),
    "sealing_unavailable": Reason(
        503,
        "Accounts cannot be sealed now, so none is taken; an operator has to mend the master key.",
        "目前无法加密账户信息，请联系运维人员检查主密钥。",
    ),
}

router = APIRouter(prefix="/api/distributors/{distributor_id}", tags=["payees"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("payees:read")]
Writes = Annotated[Principal, needs("payees:write")]
Approves = Annotated[Principal, needs("payees:approve")]
DistributorPart = Annotated[int, Path(ge=1, le=2**63 - 1, description="The distributor.", examples=[40021]), AS_IN_JSON]
T = TypeVar("T")


class NewMethod(Body):
    """The name and the account are sealed, and shown to no one again."""

    rail: RailName
    currency: Annotated[Currency, Field(examples=["EUR"])]
    country: CountryCode
    holder: Annotated[SecretStr, Field(max_length=NAME_MAX, description="The name on it.", examples=["Ann Weber"])]
    account: Annotated[
        SecretStr,
        Field(
            max_length=ACCOUNT_MAX,
            description="What the rail sends to: an IBAN, an openid, an e-mail address, an account number.",
            examples=["DE89370400440532013000"],
        ),
    ]
    bank_code: Annotated[
        str | None, Field(pattern=r"^[A-Z0-9]{8}([A-Z0-9]{3})?$", description="The BIC.", examples=["COBADEFF"])
    ] = None


class NewIdentity(Body):
    """The name and the numbers are sealed. Documents are kept elsewhere; give your own ids of them."""

    kind: Annotated[Kind, Field(examples=["person"])]
    legal_name: Annotated[SecretStr, Field(max_length=NAME_MAX, examples=["Li Na"])]
    id_type: Annotated[Code, Field(description="Which number it is.", examples=["cn_ric"])]
    id_number: Annotated[SecretStr, Field(max_length=64, examples=["11010519491231002X"])]
    country: Annotated[CountryCode, Field(examples=["CN"])]
    tax_residence: Annotated[CountryCode, Field(examples=["CN"])]
    tax_form: Annotated[TaxForm, Field(examples=["none"])] = "none"
    tin: Annotated[SecretStr | None, Field(max_length=64, description="The tax number.", examples=[None])] = None
    documents: Annotated[list[Reference], Field(max_length=20, examples=[["scan-2026-0042"]])] = Field(
        default_factory=list
    )


class Allowance(Body):
    fingerprint: Annotated[Fingerprint, Field(description="Of the account that was refused.")]


class Waiver(Body):
    method_id: Annotated[Reference, Field(examples=["4b0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11"])]


class IdentityDecision(Body):
    identity_id: Annotated[Reference, Field(examples=["4b0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11"])]
    state: Annotated[Literal["verified", "rejected", "expired"], Field(examples=["verified"])]
    reason: Annotated[Code | None, Field(description="A code of your own.", examples=[None])] = None


@router.get(
    "/payout-method",
    summary="Show how a distributor is paid",
    response_model=PayeeView,
    responses=documented("not_found"),
)
async def show_payout_method(distributor_id: DistributorPart, ports: Here, principal: Reads) -> PayeeView:
    """Without the account: its last characters, and why nothing is paid, if nothing is."""
    await _require_payee(ports, principal, distributor_id)
    return await _shown(ports, distributor_id, principal)


@router.put(
    "/payout-method",
    summary="Set how a distributor is paid",
    response_model=PayeeView,
    responses=written(
        *("not_found", "account_invalid", "unknown_rail", "currency_not_supported", "sealing_unavailable"),
        *("duplicate_destination", "conflict"),
        shown=PayeeView,
    ),
)
async def set_payout_method(
    distributor_id: DistributorPart, body: NewMethod, ports: Here, principal: Writes, writing: Writing
) -> Response:
    """An account that replaces another is used after 72 hours, or when two persons waive that. An account that another
    distributor has is refused, until two persons allow it.
    """
    await _require_payee(ports, principal, distributor_id)
    given = GivenMethod(
        rail=body.rail,
        currency=body.currency,
        country=body.country,
        holder=body.holder.get_secret_value(),
        account=body.account.get_secret_value(),
        bank_code=body.bank_code,
    )
    method, fingerprint = await _sealed(sealed_method(ports.vault, distributor_id, writing.derived("method"), given))
    before = (await payee_of(ports.store, distributor_id)).method
    command = SetMethod(distributor_id=distributor_id, method=method, fingerprint=fingerprint, by=principal.name[:64])
    was = {"rail": before.rail, "hint": before.hint} if before else None
    return await writing.write(command, lambda: _shown(ports, distributor_id, principal), before=was)


@router.delete(
    "/payout-method",
    summary="Remove how a distributor is paid",
    response_model=PayeeView,
    responses=written("not_found", shown=PayeeView),
)
async def remove_payout_method(
    distributor_id: DistributorPart, ports: Here, principal: Writes, writing: Writing
) -> Response:
    """Nothing more is paid until there is another method; what is under way goes on."""
    await _require_payee(ports, principal, distributor_id)
    command = RemoveMethod(distributor_id=distributor_id, by=principal.name[:64])
    return await writing.write(command, lambda: _shown(ports, distributor_id, principal))


@router.post(
    "/payout-method/allow-duplicate",
    summary="Allow an account of another distributor",
    response_model=PayeeView,
    responses=written(
        *("not_found", "nothing_to_allow", "same_person", "not_independent"),
        *("changed_meanwhile", "payee_approves_own"),
        shown=PayeeView,
    ),
)
async def allow_duplicate(
    distributor_id: DistributorPart, body: Allowance, ports: Here, principal: Approves, writing: Writing
) -> Response:
    """Two persons do; then the distributor can set it. Neither of them may be who wanted it, or one of those who have
    the account.
    """
    await _require_payee(ports, principal, distributor_id)
    payee = await payee_of(ports.store, distributor_id)
    accounts = await ports.store.find(ACCOUNTS, {"_id": body.fingerprint}, limit=1)
    holders = {holder for account in accounts for holder in account["holders"]}
    permits = [one for account in accounts for one in account["permits"] if one["distributor_id"] == distributor_id]
    others: tuple[str, ...] = ()
    if (asked := payee.duplicate) is not None:
        await _require_unpaid(ports, principal, distributor_id, *holders)
        people = (asked.refused_by, *(person for permit in permits for person in permit["approved_by"]))
        others = await require_others(ports, people, asked.refused_at, principal)
    command = AllowDuplicate(
        distributor_id=distributor_id,
        fingerprint=body.fingerprint,
        by=principal.name[:64],
        by_distributor_id=principal.distributor_id,
        independent_of=others,
    )
    return await writing.write(command, lambda: _shown(ports, distributor_id, principal))


@router.post(
    "/payout-method/waive-cooling-off",
    summary="Waive the cooling-off of an account",
    response_model=PayeeView,
    responses=written(
        *(
            "not_found",
            "unknown_method",
            "not_cooling_off",
            "same_person",
            "not_independent",
            "changed_meanwhile",
            "payee_approves_own",
        ),
        shown=PayeeView,
    ),
)
async def waive_cooling_off(
    distributor_id: DistributorPart, body: Waiver, ports: Here, principal: Approves, writing: Writing
) -> Response:
    """Two persons do; then payouts go to the account at once. Neither of them may be who set it, or the payee."""
    await _require_payee(ports, principal, distributor_id)
    payee = await payee_of(ports.store, distributor_id)
    others: tuple[str, ...] = ()
    if (method := payee.method) is not None:
        await _require_unpaid(ports, principal, distributor_id)
        others = await require_others(ports, (method.set_by, *payee.waived_by), method.set_at, principal)
    command = WaiveCoolingOff(
        distributor_id=distributor_id,
        method_id=body.method_id,
        by=principal.name[:64],
        by_distributor_id=principal.distributor_id,
        independent_of=others,
    )
    return await writing.write(command, lambda: _shown(ports, distributor_id, principal))


@router.put(
    "/identity",
    summary="Submit who a distributor is",
    response_model=PayeeView,
    responses=written("not_found", "identity_invalid", "sealing_unavailable", "conflict", shown=PayeeView),
)
async def submit_identity(
    distributor_id: DistributorPart, body: NewIdentity, ports: Here, principal: Writes, writing: Writing
) -> Response:
    """Another person decides about it. What was decided about an earlier one does not hold for it."""
    await _require_payee(ports, principal, distributor_id)
    given = GivenIdentity(
        kind=body.kind,
        legal_name=body.legal_name.get_secret_value(),
        id_type=body.id_type,
        id_number=body.id_number.get_secret_value(),
        country=body.country,
        tax_residence=body.tax_residence,
        tax_form=body.tax_form,
        tin=body.tin.get_secret_value() if body.tin else None,
        documents=tuple(body.documents),
    )
    identity_id = writing.derived("identity")
    command = await _sealed(sealed_identity(ports.vault, distributor_id, identity_id, given, by=principal.name[:64]))
    return await writing.write(command, lambda: _shown(ports, distributor_id, principal))


@router.post(
    "/identity/decide",
    summary="Decide about an identity",
    response_model=PayeeView,
    responses=written(
        *("not_found", "unknown_identity", "same_person", "not_independent"),
        *("changed_meanwhile", "payee_approves_own"),
        shown=PayeeView,
    ),
)
async def decide_identity(
    distributor_id: DistributorPart,
    body: Annotated[IdentityDecision, BodyOf()],
    ports: Here,
    principal: Approves,
    writing: Writing,
) -> Response:
    """Neither who submitted it nor the payee can."""
    await _require_payee(ports, principal, distributor_id)
    payee = await payee_of(ports.store, distributor_id)
    others: tuple[str, ...] = ()
    if (identity := payee.identity) is not None:
        await _require_unpaid(ports, principal, distributor_id)
        others = await require_others(ports, [identity.submitted_by], identity.submitted_at, principal)
    command = DecideIdentity(
        distributor_id=distributor_id,
        identity_id=body.identity_id,
        state=body.state,
        reason=body.reason,
        by=principal.name[:64],
        by_distributor_id=principal.distributor_id,
        independent_of=others,
    )
    was = {"state": payee.identity_state}
    return await writing.write(command, lambda: _shown(ports, distributor_id, principal), before=was)


async def _require_payee(ports: Ports, principal: Principal, distributor_id: int) -> None:
    """Raise Problem not_found: a distributor reaches their own account, and not those of their downline."""
    if principal.kind == "distributor" and principal.distributor_id != distributor_id:
        raise Problem("not_found")
    await require_reach(ports.store, principal, distributor_id)


async def _require_unpaid(ports: Ports, principal: Principal, *paid: int) -> None:
    """Raise Problem payee_approves_own of those who are paid."""
    if await acts_for(ports.store, principal, paid, ports.time.now()):
        raise Problem("payee_approves_own")


async def _sealed(sealing: Awaitable[T]) -> T:
    """Raise Problem with the reason of what was given, or sealing_unavailable."""
    try:
        return await sealing
    except GivenRefused as error:
        raise Problem(error.reason, detail=error.detail) from None
    except CannotOpen as error:
        log.error("cannot seal", code=error.code, reason=error.detail)
        raise Problem("sealing_unavailable") from None


async def _shown(ports: Ports, distributor_id: int, principal: Principal) -> PayeeView:
    return payee_view(await payee_of(ports.store, distributor_id), principal)
