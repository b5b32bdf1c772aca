"""Which methods an address takes, where more than one route fits it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route


def methods_of(routes: Iterable[Route], path: str) -> set[str]:
    """A fixed address takes what is said of itself alone; for any other, all templates that fit are asked."""
    fitting = [route for route in routes if route.path_regex.match(path)]
    fixed = [route for route in fitting if not route.param_convertors]
    return {method for route in fixed or fitting for method in route.methods or ()}


def refusals(routes: Sequence[Route]) -> list[Route]:
    """Routes to be asked before all others, which refuse the methods that a fixed address does not take.

    The router goes on to the next route that fits when only the method does not: `PUT /api/inventory/hot` would be
    taken for the stock of a product named "hot", and refused for its number.
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
