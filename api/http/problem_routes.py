"""The target of a problem's `type`: the meaning of each reason code."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from api.http.problems import Problem, documented, reasons_of

router = APIRouter(prefix="/api/problems", tags=["problems"])


class Meaning(BaseModel):
    reason: str
    status: int
    en: str
    zh: str


@router.get("", summary="Every reason code")
async def list_reasons(request: Request) -> list[Meaning]:
    return [Meaning(reason=code, status=r.status, en=r.en, zh=r.zh) for code, r in sorted(reasons_of(request).items())]


@router.get("/{reason}", summary="What a reason code means", responses=documented("not_found"))
async def show_reason(reason: Annotated[str, Path(examples=["conflict"])], request: Request) -> Meaning:
    known = reasons_of(request).get(reason)
    if known is None:
        raise Problem("not_found")
    return Meaning(reason=reason, status=known.status, en=known.en, zh=known.zh)
