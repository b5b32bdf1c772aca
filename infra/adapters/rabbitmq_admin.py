"""RabbitMQ's management API: logins with their permissions, and the queue of each shop."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from infra.ports.messaging import BrokerUnavailable
from infra.ports.topology import Binding, Login, Policy, Queue

_WITHIN_S = 10.0
CONNECTIONS_END_WITHIN_S = 20.0
_END_WITHIN_S = 2.0
_BETWEEN_ENDS_S = 0.5


class BrokerAdmin:
    """`url` is the management API's, with an administrator's login; a path names the virtual host, which is `/`
    without one. Every method raises BrokerUnavailable.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        credentials = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        self._authorization = f"Basic {b64encode(credentials.encode()).decode()}"
        netloc = parts.netloc.rpartition("@")[2]
        self._base = urlunsplit((parts.scheme, netloc, "/api", "", ""))
        self._host = quote(unquote(parts.path.strip("/")) or "/", safe="")

    async def save_login(self, login: Login, password: str) -> None:
        """Make the login, or give it this password and these permissions. Its connections under another password stay
        until `end_connections`.
        """
        user = quote(login.name, safe="")
        await self._call("PUT", f"/users/{user}", {"password": password, "tags": ""})
        await self._call("PUT", f"/permissions/{self._host}/{user}", _permissions(login))
        for limit, value in login.limits.items():
            await self._call("PUT", f"/user-limits/{user}/{limit}", {"value": value})

    async def delete_login(self, name: str) -> None:
        """Nothing where there is none. The broker closes its connections one after the other: see `end_connections`."""
        await self._call("DELETE", f"/users/{quote(name, safe='')}", absent_is_fine=True)

    async def end_connections(self, name: str, *, within_s: float = CONNECTIONS_END_WITHIN_S) -> int:
        """Close the connections of the login, all at once and again until none is left; how many are left after
        `within_s`.

        A connection that floods the broker ends late, because the end waits behind what was sent before. The broker
        lists it until then; after that it only drops what still comes, for half a minute at most.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while left := await self._connections_of(name):
            if loop.time() >= deadline:
                break
            await asyncio.gather(*map(self._end_connection, left))
            await asyncio.sleep(_BETWEEN_ENDS_S)
        return len(left)

    async def _connections_of(self, name: str) -> list[str]:
        found: Sequence[Mapping[str, str]] = await self._call("GET", "/connections?columns=name,user")
        return [each["name"] for each in found if each.get("user") == name]

    async def _end_connection(self, name: str) -> None:
        """The API answers once the connection has ended; whether it did is seen at the next look."""
        path = f"/connections/{quote(name, safe='')}"
        with suppress(BrokerUnavailable):
            await self._call("DELETE", path, absent_is_fine=True, within_s=_END_WITHIN_S)

    async def logins(self) -> dict[str, Login | None]:
        """Every login of the broker, with its tags, limits and permissions here, and where else it has some; None for
        one that has none here.
        """
        users: Sequence[Mapping[str, Any]] = await self._call("GET", "/users?columns=name,tags")
        permissions: Sequence[Mapping[str, str]] = await self._call("GET", "/permissions")
        limits: Sequence[Mapping[str, Any]] = await self._call("GET", "/user-limits")
        limited = {each["user"]: each["value"] for each in limits}
        here = {each["user"]: each for each in permissions if quote(each["vhost"], safe="") == self._host}
        elsewhere: dict[str, list[str]] = {}
        for each in permissions:
            if each != here.get(each["user"]):
                elsewhere.setdefault(each["user"], []).append(each["vhost"])
        return {
            user["name"]: Login(
                user["name"],
                it["configure"],
                it["write"],
                it["read"],
                "",
                limits=limited.get(user["name"], {}),
                tags=_tags(user["tags"]),
                elsewhere=tuple(sorted(elsewhere.get(user["name"], ()))),
            )
            if (it := here.get(user["name"]))
            else None
            for user in users
        }

    async def leaders(self) -> dict[str, bool]:
        """Whether each queue of the virtual host has a leader. Only a quorum queue can lose it."""
        path = f"/queues/{self._host}?columns=name,type,leader"
        found: Sequence[Mapping[str, Any]] = await self._call("GET", path)
        return {each["name"]: each.get("type") != "quorum" or bool(each.get("leader")) for each in found}

    async def policies(self) -> list[Policy]:
        """Those of the virtual host, of operators too."""
        found: list[Mapping[str, Any]] = []
        for kind in ("policies", "operator-policies"):
            found += await self._call("GET", f"/{kind}/{self._host}")
        return [Policy(each["name"], each["pattern"], each["definition"]) for each in found]

    async def declare(self, queue: Queue, binding: Binding) -> None:
        name = quote(queue.name, safe="")
        await self._call("PUT", f"/queues/{self._host}/{name}", {"durable": True, "arguments": queue.arguments})
        exchange = quote(binding.exchange, safe="")
        path = f"/bindings/{self._host}/e/{exchange}/q/{name}"
        await self._call("POST", path, {"routing_key": binding.routing_key})

    async def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        absent_is_fine: bool = False,
        within_s: float = _WITHIN_S,
    ) -> Any:
        return await asyncio.to_thread(self._request, method, path, body, absent_is_fine, within_s)

    def _request(self, method: str, path: str, body: object, absent_is_fine: bool, within_s: float) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        request = Request(f"{self._base}{path}", data, headers, method=method)  # noqa: S310  (settings allow http, https)
        try:
            with urlopen(request, timeout=within_s) as answer:  # noqa: S310
                text = answer.read()
                return json.loads(text) if text else None
        except HTTPError as error:
            if error.code == 404 and absent_is_fine:
                return None
            raise BrokerUnavailable(_refusal(error, method, path)) from error
        except (URLError, HTTPException, OSError, ValueError) as error:
            raise BrokerUnavailable(f"its management API does not answer ({error})") from error


def _tags(tags: str | Sequence[str]) -> tuple[str, ...]:
    """Before RabbitMQ 3.9 they are one text, with commas."""
    listed = tags.split(",") if isinstance(tags, str) else tags
    return tuple(sorted(tag for tag in listed if tag))


def _permissions(login: Login) -> dict[str, str]:
    return {"configure": login.configure, "write": login.write, "read": login.read}


def _refusal(error: HTTPError, method: str, path: str) -> str:
    if error.code == 401:
        return "its management API refuses the user or password in RABBITMQ_MANAGEMENT_URL, or it is no administrator"
    try:
        reason = json.loads(error.read()).get("reason", "")
    except (ValueError, OSError, AttributeError):
        reason = ""
    return f"its management API refuses {method} {path.partition('?')[0]} ({error.code} {reason or error.reason})"
