"""Rehearsals over HTTP: what stored orders would have paid under other rules, or another sponsor.

They run in a subprocess, one at a time, because each takes a whole core: a second one is refused as busy.
"""

from __future__ import annotations

from typing import Any

from api.http.problems import Problem, Reason
from infra.gateway.subprocesses import AlreadyBusy, Failed, Subprocess, TookTooLong

TOO_LONG = "rehearsal_too_long"

REASONS = {
    TOO_LONG: Reason(
        422,
        "Too many orders for one request; choose fewer days, or use the command line.",
        "订单过多，无法在一次请求中处理，请缩短时间范围，或使用命令行。",
    )
}


async def rehearse(subprocess: Subprocess, request: dict[str, Any], *, refused: str) -> dict[str, Any]:
    """The figures. Raises Problem busy, rehearsal_too_long, and `refused` with the reason against the rehearsal."""
    try:
        answer = await subprocess(request)
    except TookTooLong:
        raise Problem(TOO_LONG) from None
    except (AlreadyBusy, Failed):
        raise Problem("busy", headers={"Retry-After": "10"}) from None
    if "refused" in answer:
        raise Problem(refused, detail=answer["refused"])
    return answer
