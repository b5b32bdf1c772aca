"""Where a notification goes, and in which language."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from contracts.fields import visible_address

Kind = Literal["email", "webhook", "wecom", "dingtalk", "feishu", "slack"]
"""The kinds that a route may have. Messages name a kind in an open form, so that a new one does not change them."""

Language = Annotated[Literal["en", "zh"], Field(description="English or Chinese.", examples=["en"])]

SEALED_MAX = 8192
"""Characters of a sealed address or secret."""

Sealed = Annotated[
    str,
    Field(
        pattern=r"^sealed-1:[A-Za-z0-9+/]+=*$",
        max_length=SEALED_MAX,
        description="The address and its secret, sealed: only the process that sends can open it.",
        examples=["sealed-1:bm90IGEgc2VjcmV0"],
    ),
]
EmailAddress = Annotated[
    str,
    Field(
        pattern=r"^[^@\s<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,255}$",
        description="An e-mail address.",
        examples=["warehouse@example.com"],
    ),
    AfterValidator(visible_address),
]


class Channel(BaseModel):
    """An e-mail has readers in `to`; everything else an address that is sealed, with its secret, as the JSON object
    `{"url": …, "secret": …}`; `host` is the part of it that people may see. Events carry it, so unknown fields are
    ignored; a command uses a subclass that forbids them.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        json_schema_extra={"examples": [{"kind": "email", "to": ["warehouse@example.com"]}]},
    )

    kind: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$", description="The kind of channel.", examples=["email"])
    ]
    to: Annotated[list[EmailAddress], Field(max_length=20, description="The readers of an e-mail.")] = []
    host: Annotated[
        str | None,
        Field(max_length=255, description="The host of the address, for people.", examples=["oapi.dingtalk.com"]),
    ] = None
    sealed: Annotated[Sealed | None, Field(repr=False)] = None

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.kind == "email" and not (self.to and self.sealed is None and self.host is None):
            raise ValueError("an e-mail channel has readers in `to`, and no sealed address")
        if self.kind != "email" and (self.to or self.sealed is None or self.host is None):
            raise ValueError(f"a {self.kind} channel has a sealed address and its host, and no one in `to`")
        return self


class NewChannel(Channel):
    """The same in a command, which refuses unknown fields."""

    model_config = ConfigDict(extra="forbid")
