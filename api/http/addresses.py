"""The methods of an address that more than one route matches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route


def methods_of(routes: Iterable[Route], path: str) -> set[str]:
    """A fixed address has its own methods; any other address has those of all matching templates."""
    matching = [route for route in routes if route.path_regex.match(path)]
    fixed = [route for route in matching if not route.param_convertors]
    return {method for route in fixed or matching for method in route.methods or ()}


def refusals(routes: Sequence[Route]) -> list[Route]:
    """Routes to match before all others: they refuse the methods that a fixed address does not have.

    The router tries the next matching route when only the method differs: `PUT /api/inventory/hot` would reach the
    stock of a product "hot", and be refused for its number.
    """
    refusing = []
    for path in sorted({route.path for route in routes if not route.param_convertors}):
        templates = [route for route in routes if route.param_convertors and route.path_regex.match(path)]
        others = {method for route in templates for method in route.methods or ()} - methods_of(routes, path)
        if others:
            refusing.append(Route(path, _refuse, methods=sorted(others), include_in_schema=False))
    return refusing


async def _refuse(request: Request) -> Response:
    raise HTTPException(405)
