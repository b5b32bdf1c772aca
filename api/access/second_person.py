"""The second of two persons: another one, and independent of those before."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import takewhile

from api.access.ports import Ports
from api.identity.principal import Principal


async def require_others(
    ports: Ports, people: Iterable[str], proposed_at: datetime | None, principal: Principal
) -> tuple[str, ...]:
    """Those who proposed or approved it before the principal, who is independent of them all. That it is the same
    person is left to the worker, which names it; with a repeated approval, those who came after it do not matter.

    Raises Problem not_independent.
    """
    before = tuple(takewhile(principal.name[:64].__ne__, people))
    for person in before:
        await ports.identity.users.check_independent(person.rpartition("/")[2], principal.subject, proposed_at)
    return before
