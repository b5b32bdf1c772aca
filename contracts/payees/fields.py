"""Where money goes and who gets it: sealed values, and what of them people may see."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contracts.fields import AnyCurrency, Reference

SEALED_MAX = 4096
"""Characters of a sealed value."""

_Sealed = Annotated[
    str,
    Field(
        pattern=r"^sealed-2:[A-Za-z0-9._-]{1,64}:[A-Za-z0-9+/]+={0,2}$",
        max_length=SEALED_MAX,
        description="A value that only the process that pays can open. The middle names the payee's key.",
        examples=["sealed-2:payee-40021-1:bm90IGEgc2VjcmV0"],
    ),
]
Sealed = Annotated[_Sealed, Field(repr=False)]
SealedOrNone = Annotated[_Sealed | None, Field(repr=False)]
"""Neither is printed; the audit log leaves both out."""

RailName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="The way by which money is sent.", examples=["iso20022"]),
]
CountryCode = Annotated[
    str, Field(pattern=r"^[A-Z]{2}$", description="A country of ISO 3166-1, two letters.", examples=["DE"])
]
Hint = Annotated[
    str,
    Field(min_length=1, max_length=32, description="What people may see of the account.", examples=["•••• 3000"]),
]
Fingerprint = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{64}$",
        description="A keyed digest of the account: equal for equal accounts, and of no use to find one.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    ),
]
BankCode = Annotated[
    str,
    Field(
        pattern=r"^[A-Z0-9]{4,11}$", description="The BIC of the bank, if the rail takes one.", examples=["COBADEFF"]
    ),
]


class PayoutMethod(BaseModel):
    """How a distributor is paid: by which rail, in which currency, and the account, sealed.

    `holder` is the name on the account. `destination` is what the rail sends to: an IBAN, an openid, an e-mail address.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    method_id: Reference
    rail: RailName
    currency: AnyCurrency
    country: CountryCode
    holder: Sealed
    destination: Sealed
    hint: Hint
    bank_code: BankCode | None = None
