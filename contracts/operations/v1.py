"""Operations messages, version 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.envelope import Event, Timestamp
from contracts.fields import Code, Detail


class MessageDeadLettered(Event, type="message.dead-lettered.v1"):
    """A worker set a message aside after all that could be tried. `body` is what arrived, so nothing is lost.

    `reason` is a code to group by; `detail` a sentence that names the field and the rule, or the last line of the
    traceback. `encoding` is `utf-8`, or `base64` where the body is not text.
    """

    worker: Annotated[str, Field(examples=["order_intake"])]
    queue: Annotated[str, Field(examples=["order_intake"])]
    message_id: Annotated[str, Field(examples=["8f0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11"])]
    type: Annotated[str, Field(description="The type of the message set aside.", examples=["order.place.v2"])]
    reason: Code
    detail: Detail
    attempts: Annotated[int, Field(description="How often it was tried.", examples=[5])]
    replays: Annotated[int, Field(description="How often a person has sent it again.")] = 0
    traceback: str | None = None
    content_type: Annotated[str | None, Field(examples=["application/cloudevents+json"])] = None
    encoding: str = "utf-8"
    body: str = Field(repr=False, examples=['{"shop_id": "shop-367"}'])
    concerns: Annotated[
        str | None,
        Field(
            description="What the message is about, where that could be read.", examples=["order/shop-367/31198459904"]
        ),
    ] = None

    def about(self) -> str:
        return self.concerns or f"message/{self.message_id}"


class AlertRaised(Event, type="alert.raised.v1"):
    """Something needs a person. One per crossing: `alert` names what it is about, and is the same until resolved."""

    alert: Annotated[str, Field(description="What the alert is about.", examples=["stock/1082185"])]
    kind: Annotated[Code, Field(description="The kind of alert.", examples=["stock_low"])]
    detail: Detail
    raised_at: Timestamp

    def about(self) -> str:
        return f"alert/{self.alert}"


class AlertResolved(Event, type="alert.resolved.v1"):
    alert: Annotated[str, Field(description="What the alert is about.", examples=["stock/1082185"])]
    kind: Annotated[Code, Field(description="The kind of alert.", examples=["stock_low"])]
    detail: Detail
    resolved_at: Timestamp

    def about(self) -> str:
        return f"alert/{self.alert}"
