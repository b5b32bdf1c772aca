"""Callbacks of rails: what became of a payment, without a login. The rail's signature over the raw body decides.

What is not believed is neither stored nor sent on. What is, is answered once its command is at the broker, so that a
rail repeats what could have been lost; a repeat is recognised by the rail's own id of the report, for ever. The audit
log gets the change from the worker's journal.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

import structlog
from fastapi import APIRouter, Path, Request, Response

from api.access.guard import correlation_of
from api.access.ports import Here
from api.http.problems import Problem, Reason, documented
from contracts.payouts.v1 import ReportPayout
from contracts.wire.envelope import Message, message_of
from infra.ports.messaging import BrokerUnavailable
from infra.ports.rails import CallbackRefused
from infra.telemetry import metrics

log = structlog.get_logger()

router = APIRouter(prefix="/api/payout-callbacks", tags=["payouts"])

REASONS = {
    "forged_callback": Reason(
        401, "The signature is not that of the rail; nothing was stored.", "签名不属于该付款通道，未存储任何内容。"
    ),
    "unreadable_callback": Reason(422, "The callback is signed, but cannot be read.", "回调签名有效，但内容无法读取。"),
}
_REFUSED = {"forged": "forged_callback", "unreadable": "unreadable_callback"}
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}, "example": {}}}}
}


@router.post(
    "/{rail}",
    summary="Take a callback of a rail",
    status_code=204,
    responses=documented("forged_callback", "unreadable_callback", "not_found", "broker_unavailable", "body_too_large"),
    openapi_extra=_BODY,
)
async def take_payout_callback(
    rail: Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,31}$", examples=["wechat_pay"])],
    request: Request,
    ports: Here,
) -> Response:
    """For the rail itself: its form, its signature. Needs no login; any report is answered alike, known or not."""
    read = ports.callbacks.read(rail, dict(request.headers), await request.body())
    if isinstance(read, CallbackRefused):
        # A rail that is not configured may have any name, and a name becomes a label.
        if read.code not in _REFUSED:
            raise Problem("not_found")
        metrics.callback_refused(rail, read.code)
        log.warning("callback refused", rail=rail, code=read.code, reason=read.detail)
        raise Problem(_REFUSED[read.code])
    for number, report in enumerate(read):
        await _send(ports, rail, report, f"{correlation_of(request)}.{number}")
    return Response(status_code=204)


async def _send(ports: Any, rail: str, report: ReportPayout, correlation: str) -> None:
    """Raises BrokerUnavailable: then the rail calls again."""
    if not ports.commands.connected:
        raise BrokerUnavailable("RabbitMQ is away; try again later")
    # A new id: the report's own recognises a repeat, and the same id with other content would be refused.
    message: Message[Any] = message_of(ReportPayout)(
        id=str(uuid4()),
        source=f"urn:tributary:rail:{rail}",
        type=ReportPayout.message_type,
        time=ports.time.now(),
        subject=report.about(),
        correlationid=correlation,
        data=report,
    )
    async with ports.limits.writes_at_work:
        await ports.commands.send(message, wait_s=0)
