"""Health for orchestrators and people: liveness, readiness and metrics."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from api.access.ports import Here
from infra.ports.cache import CacheUnavailable
from infra.ports.store import StoreUnavailable

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    status: Literal["ready", "waiting"]
    lacks: dict[str, str] = Field(description="Unavailable parts without which this process cannot serve.")
    degraded: dict[str, str] = Field(description="Unavailable parts without which this process still serves.")


_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": Ready, "description": "Send requests to another process."}
}


@router.get("/livez", summary="Whether the process runs")
async def livez() -> Alive:
    return Alive()


@router.get("/readyz", summary="Whether the process can serve", responses=_NOT_READY)
async def readyz(ports: Here, response: Response) -> Ready:
    """Without MongoDB no request is answered. Without RabbitMQ reads still work, and without Redis everything does."""
    lacks: dict[str, str] = {}
    degraded: dict[str, str] = {}
    try:
        await ports.store.ping()
    except StoreUnavailable:
        lacks["mongodb"] = "away: no request can be answered"
    if not ports.commands.connected:
        degraded["rabbitmq"] = "away: writes are answered with 503"
    try:
        await ports.cache.ping()
    except CacheUnavailable:
        degraded["redis"] = "away: reads come from MongoDB"
    response.status_code = 503 if lacks else 200
    return Ready(status="waiting" if lacks else "ready", lacks=lacks, degraded=degraded)


_FIGURES = {"text/plain": {"schema": {"type": "string"}, "example": "python_gc_collections_total 11.0\n"}}


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"description": "In Prometheus' text format.", "content": _FIGURES}},
)
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
