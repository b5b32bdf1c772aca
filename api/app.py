"""Assembles the API: its routes, and what surrounds each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from api.access import guard, health, refusals, rehearsals
from api.access.ports import Ports, open_ports
from api.accounts import authorize, logout, users
from api.accounts import logins as auth
from api.accounts import tokens as oauth
from api.alerts import notification_routes
from api.alerts import routes as alerts
from api.catalog import labels, products
from api.commissions import routes as commissions
from api.http import docs, paging, problem_routes
from api.http.addresses import methods_of
from api.http.addresses import refusals as method_refusals
from api.http.answers import FewLargeAnswers
from api.http.limits import RateLimited
from api.http.openapi import document_of, operation_id
from api.http.problems import REASONS, Problem, field_errors, gathered, problem_response
from api.http.requests import BodyLimited, EachRequest, TooLarge
from api.identity import reasons as identity
from api.network import distributors, performance, shops, teams
from api.operations import routes as operations
from api.orders import checks
from api.orders import routes as orders
from api.payees import routes as payees
from api.payouts import batches as payout_batches
from api.payouts import callbacks as payout_callbacks
from api.payouts import routes as payouts
from api.rules import routes as rules
from api.settlements import adjustments as settlement_adjustments
from api.settlements import corridors, exchange_rates
from api.settlements import forms as statement_forms
from api.settlements import routes as settlements
from api.settlements import terms as settlement_terms
from api.stock import adjustments, hot
from api.stock import routes as inventory
from api.webhooks import routes as webhooks
from infra.collector import collect_seldom
from infra.ports.messaging import BrokerUnavailable
from infra.ports.store import StoreConflict, StoreUnavailable
from infra.settings import Settings
from infra.telemetry import logs

log = structlog.get_logger()

ROUTERS = (
    health.router,
    docs.router,
    problem_routes.router,
    auth.router,
    hot.router,
    products.router,
    *labels.ROUTERS,
    inventory.router,
    shops.router,
    webhooks.router,
    distributors.router,
    performance.router,
    teams.router,
    orders.router,
    commissions.router,
    rules.router,
    settlements.router,
    settlement_terms.router,
    settlement_adjustments.router,
    payouts.router,
    payouts.holds_router,
    payout_batches.router,
    payout_callbacks.router,
    payees.router,
    exchange_rates.router,
    corridors.router,
    operations.router,
    alerts.router,
    notification_routes.router,
)
"""The routers of every deployment. A new noun adds its router here."""

OWN_IDENTITY = (auth.login_router, authorize.router, logout.router, oauth.router, users.router)
"""The routers that an OpenID provider replaces."""

_NOUNS = (
    paging,
    identity,
    refusals,
    rehearsals,
    adjustments,
    checks,
    distributors,
    operations,
    notification_routes,
    payout_callbacks,
    payees,
    statement_forms,
    webhooks,
)
"""The modules with reasons of their own."""

_BY_STATUS = {
    400: "malformed_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}


def create(*, rehearsals: str) -> FastAPI:
    """The application of the server, configured by the environment. `rehearsals` names the module of the subprocess."""
    settings = Settings()
    logs.configure(settings.log_level)
    app = create_app(settings, lambda: open_ports(settings, rehearsals=rehearsals))
    # A search among all objects would hold up every request while a large view is built.
    collect_seldom()
    return app


def create_app(settings: Settings, opening: Callable[[], AbstractAsyncContextManager[Ports]]) -> FastAPI:
    """The application. `opening` opens the ports when it starts to serve: connections belong to the running loop."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                app.state.ports = await stack.enter_async_context(opening())
            except StoreUnavailable as error:
                # The server exits without a message, so the log states the reason.
                log.error("cannot start", reason=f"MongoDB does not answer: {error}. Start it, or correct MONGODB_URL.")
                raise
            except ValueError as error:
                log.error("cannot start", reason=str(error))
                raise
            except Exception:
                log.exception("cannot start")
                raise
            _make_ready(app.router.routes)
            yield

    app = FastAPI(
        title="Tributary",
        version="1",
        summary="The back-end of a distribution network: orders flow in, commissions flow upstream.",
        lifespan=lifespan,
        # api.http.docs serves both.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # The framework would build the redirect from the Host header, which the client chooses.
        redirect_slashes=False,
        # An operation's id is its function's name; generated clients name their methods after it.
        generate_unique_id_function=operation_id,
    )
    app.state.authenticate = guard.authenticate
    app.state.reasons = gathered(REASONS, *(noun.REASONS for noun in _NOUNS))
    routers = (*ROUTERS, *(OWN_IDENTITY if settings.external_issuer is None else ()))
    for router in routers:
        app.include_router(router)
    # The last one added is the first that a request meets.
    app.add_middleware(BodyLimited, body_bytes_max=settings.body_bytes_max)
    app.add_middleware(FewLargeAnswers)
    app.add_middleware(RateLimited)
    https = settings.public_url.startswith("https://")
    app.add_middleware(EachRequest, https=https)
    routes = [route for router in routers for route in router.routes if isinstance(route, Route)]
    app.router.routes[:0] = method_refusals(routes)
    _handle_errors(app, routes)
    app.openapi = lambda: document_of(app)  # type: ignore[method-assign]
    return app


def _make_ready(routes: Sequence[BaseRoute]) -> None:
    """Let the framework build its routes now, not at the first request.

    Building them takes half a second per process, which blocks every request.
    """
    nowhere: Scope = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []}
    for route in routes:
        route.matches(nowhere)


def _handle_errors(app: FastAPI, routes: Sequence[Route]) -> None:
    """Answer every error with problem details."""

    async def problem(request: Request, error: Any) -> JSONResponse:
        return problem_response(request, error)

    async def invalid(request: Request, error: Any) -> JSONResponse:
        kinds = {str(each["type"]) for each in error.errors()}
        reason = "malformed_request" if "json_invalid" in kinds else "invalid_request"
        if kinds == {"value_error"}:
            # What no schema can express: two parts that contradict each other, a currency that is not in use.
            reason = "inconsistent_request"
        return problem_response(request, Problem(reason, errors=field_errors(error.errors())))

    async def http(request: Request, error: Any) -> JSONResponse:
        reason = _BY_STATUS.get(error.status_code, "malformed_request")
        headers = error.headers
        if error.status_code == 405:
            # The router itself lists only the methods of the first route that matches.
            headers = {"Allow": ", ".join(sorted(methods_of(routes, request.url.path)))}
        detail = error.detail if isinstance(error, TooLarge) else None
        return problem_response(request, Problem(reason, detail=detail, status=error.status_code, headers=headers))

    async def broker_away(request: Request, error: Any) -> JSONResponse:
        log.warning("broker away", reason=str(error))
        return problem_response(request, Problem("broker_unavailable", headers={"Retry-After": "5"}))

    async def store_away(request: Request, error: Any) -> JSONResponse:
        log.warning("store away", reason=str(error))
        return problem_response(request, Problem("store_unavailable", headers={"Retry-After": "5"}))

    async def busy(request: Request, error: Any) -> JSONResponse:
        log.warning("conflicts without end", reason=str(error))
        return problem_response(request, Problem("busy", headers={"Retry-After": "1"}))

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(BrokerUnavailable, broker_away)
    app.add_exception_handler(StoreUnavailable, store_away)
    app.add_exception_handler(StoreConflict, busy)
