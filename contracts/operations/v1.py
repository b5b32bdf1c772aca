"""Operations messages, version 1."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictInt

from contracts.fields import (
    Code,
    Detail,
    Facts,
    MarketName,
    OsUser,
    ProductId,
    Severity,
    ShopId,
    visible_name,
)
from contracts.wire.envelope import Command, Event, Refusal, Timestamp

LetterId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        description="The dead letter, by the id of its `message.dead-lettered` event.",
        examples=["0d9c1c0e-5f57-5a55-8a3c-3a1f6c1e8b21"],
    ),
]
Settlement = Annotated[
    Literal["replayed", "discarded"],
    Field(description="The decision: the message was replayed, or it is discarded."),
]
AnyOperator = Annotated[
    str,
    Field(min_length=1, max_length=64, description="The person who decided.", examples=["li.na"]),
]
"""A person of an event: the name may have been given before names had to be visible."""

Operator = Annotated[AnyOperator, AfterValidator(visible_name)]
Note = Annotated[
    str | None,
    Field(max_length=1000, description="Why, for later reference.", examples=["The shop has mended its export."]),
]


class MessageDeadLettered(Event, type="message.dead-lettered.v1"):
    """A worker dead-lettered a message after its last attempt. `body` is what arrived, so nothing is lost.

    `reason` is a code to group by; `detail` a sentence that names the field and the rule, or the last line of the
    traceback. `encoding` is `utf-8`, or `base64` if the body is not text.
    """

    worker: Annotated[str, Field(examples=["order_intake"])]
    queue: Annotated[str, Field(examples=["order_intake"])]
    message_id: Annotated[str, Field(examples=["8f0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11"])]
    type: Annotated[str, Field(description="The type of the dead-lettered message.", examples=["order.place.v2"])]
    reason: Code
    detail: Detail
    attempts: Annotated[StrictInt, Field(description="How many attempts were made.", examples=[5])]
    replays: Annotated[StrictInt, Field(description="How often it was replayed.")] = 0
    traceback: str | None = None
    content_type: Annotated[str | None, Field(examples=["application/cloudevents+json"])] = None
    encoding: str = "utf-8"
    body: str = Field(repr=False, examples=['{"shop_id": "shop-367"}'])
    routing_key: Annotated[
        str | None,
        Field(description="Its routing key, which gives the type of a bare body.", examples=["order.place.v2"]),
    ] = None
    concerns: Annotated[
        str | None,
        Field(description="The subject of the message, if it could be read.", examples=["order/shop-367/31198459904"]),
    ] = None
    sender: Annotated[
        str | None,
        Field(
            description="The shop whose login sent it, with the type as which and the id under which it was sent. A "
            "replay keeps it, so that the message is checked and answered again.",
            examples=["shop-367 order.place.v1 31198459904"],
        ),
    ] = None

    def about(self) -> str:
        return self.concerns or f"message/{self.message_id}"


class MessageAnswered(Event, type="message.answered.v1"):
    """The outcome of one message of a shop, for that shop alone.

    `done`: handled, `code` says with which outcome. `refused`: not followed; `code` is the reason. `deferred`: what it
    needs is missing; it is tried again until `tried_until`, and answered once more. `dead_lettered`: an operator has
    it. Sent again, a message is answered again.
    """

    to_one_shop: ClassVar[bool] = True

    message_id: Annotated[
        str,
        Field(
            description="The id that the shop gave it; of a bare body, its AMQP message id, or one made here.",
            examples=["store-154-1001"],
        ),
    ]
    type: Annotated[str, Field(description="The type of the message, as it was sent.", examples=["order.place.v1"])]
    concerns: Annotated[
        str | None,
        Field(description="What the message is about, where that could be read.", examples=["order/shop-367/1001"]),
    ] = None
    outcome: Literal["done", "refused", "deferred", "dead_lettered"]
    code: Code
    detail: Annotated[
        str | None,
        Field(description="A sentence that says what to mend.", examples=["product_id: product 7 is not defined."]),
    ] = None
    field: Annotated[
        str | None,
        Field(description="The field to mend, as the sent version calls it.", examples=["product_id"]),
    ] = None
    tried_until: Annotated[Timestamp | None, Field(examples=["2026-11-22T12:11:00Z"])] = None

    def about(self) -> str:
        return self.concerns or f"message/{self.message_id}"


class OfDeadLetter:
    letter_id: str

    def about(self) -> str:
        return f"dead-letter/{self.letter_id}"


class SettleDeadLetter(OfDeadLetter, Command, type="dead-letter.settle.v1"):
    """Mark a dead letter as replayed or discarded. It is kept, with who decided and when; a repeat counts once."""

    letter_id: LetterId
    action: Settlement
    by: Operator
    note: Note = None
    os_user: OsUser = None


class DeadLetterSettled(OfDeadLetter, Event, type="dead-letter.settled.v1"):
    letter_id: LetterId
    action: Settlement
    by: AnyOperator
    note: Note = None
    queue: Annotated[str, Field(examples=["order_intake.order.place"])]
    reason: Code
    settled_at: Timestamp
    os_user: OsUser = None


class DeadLetterRefused(OfDeadLetter, Refusal, type="dead-letter.refused.v1"):
    """The dead letter was not marked: it does not exist, or the command contradicts an earlier decision."""

    letter_id: LetterId
    action: Settlement
    reason: Annotated[Code, Field(examples=["unknown_letter"])]
    detail: Detail


Times = Annotated[
    StrictInt | None,
    Field(
        ge=0,
        description="How often the alert was raised so far. A resolve has the number of the raise that it ends: a "
        "receiver knows by it which change is the later one, regardless of clocks.",
        examples=[1],
    ),
]


class AlertRaised(Event, type="alert.raised.v1"):
    """Something needs a person. One per threshold crossing; `alert` is the same until resolved.

    `shop_id`, `market` and `product_id` name what it concerns, where it concerns one of them.
    """

    alert: Annotated[str, Field(description="What the alert is about.", examples=["stock/1082185"])]
    kind: Annotated[Code, Field(description="The kind of alert.", examples=["stock_low"])]
    detail: Detail
    raised_at: Timestamp
    severity: Severity | None = None
    shop_id: ShopId | None = None
    market: MarketName | None = None
    product_id: ProductId | None = None
    facts: Facts = {}  # noqa: RUF012  (pydantic copies it)
    times: Times = None

    def about(self) -> str:
        return f"alert/{self.alert}"


class AlertResolved(Event, type="alert.resolved.v1"):
    alert: Annotated[str, Field(description="What the alert is about.", examples=["stock/1082185"])]
    kind: Annotated[Code, Field(description="The kind of alert.", examples=["stock_low"])]
    detail: Detail
    resolved_at: Timestamp
    severity: Severity | None = None
    shop_id: ShopId | None = None
    market: MarketName | None = None
    product_id: ProductId | None = None
    facts: Facts = {}  # noqa: RUF012  (pydantic copies it)
    times: Times = None

    def about(self) -> str:
        return f"alert/{self.alert}"


class QueueMeasured(Event, type="queue.measured.v1"):
    """The ready messages of the queues, measured by the clock about once a minute. Empty queues are absent.

    Not sent while all of them are empty, except once after messages waited, and when the clock starts.
    """

    at: Annotated[Timestamp, Field(description="When the queues were measured.")]
    parked: Annotated[StrictInt, Field(description="Bodies too large to store, which the broker keeps.", examples=[1])]
    waiting: Annotated[
        dict[str, StrictInt],
        Field(
            description="Messages that no worker has taken yet, by queue.", examples=[{"order_intake.order.place": 812}]
        ),
    ]

    def about(self) -> str:
        return "queues"


class CheckedInvariant(BaseModel):
    """How often one invariant is breached, and the first of the breaches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    invariant: Annotated[str, Field(pattern=r"^I[1-9][0-9]{0,3}$", examples=["I1"])]
    breaches: Annotated[int, Field(strict=True, ge=0, examples=[2])]
    first: Annotated[
        str | None,
        Field(max_length=1000, description="The first breach.", examples=["product/1082185: is low, but 9 are left"]),
    ] = None


class ReportVerification(Command, type="verification.report.v1"):
    """`tributary verify` has finished: each breached invariant opens an alert, each other one resolves its alert."""

    invariants: Annotated[tuple[CheckedInvariant, ...], Field(min_length=1, max_length=100)]
    by: Operator
    os_user: OsUser = None

    def about(self) -> str:
        return "verification"


class VerificationRefused(Refusal, type="verification.refused.v1"):
    """A result of `tributary verify` was not read, and changed no alert."""

    by: AnyOperator
    reason: Annotated[Code, Field(examples=["invalid_message"])]
    detail: Detail

    def about(self) -> str:
        return "verification"
