"""From a command to an answer: how every route that changes something reaches the workers.

The command is published, and its outcome is awaited for as long as the client prefers. The answer is the thing itself,
the refusal as problem details, or 202 with the address of the outcome. A request is recorded before its command is
sent, so that a repeated Idempotency-Key means the same command, and that address works.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access.guard import Authenticated, correlation_of
from api.access.ports import Here, Ports
from api.http.preferences import Preferences
from api.http.problems import Problem, documented
from api.http.turns import RequestTurns
from api.identity.accounts.favours import note_favour
from api.identity.principal import Principal
from api.storage.audit_log import Entry
from api.storage.counters import next_id
from api.storage.repository import MESSAGES
from contracts.wire.catalogue import is_refusal
from contracts.wire.envelope import Command, derived_id, message_of
from infra.ports.messaging import BrokerUnavailable
from infra.ports.store import Document, Transaction
from infra.runtime.conflicts import transact
from infra.runtime.failure_policy import DEAD_LETTERED

MESSAGES_AT = "/api/messages/"
_RETRY_AFTER_S = 1

Show = Callable[[], Awaitable[BaseModel | Response]]
"""Reads the thing after the change."""


class Accepted(BaseModel):
    """The command is in its queue; its outcome is not known yet."""

    model_config = ConfigDict(title="Accepted")

    message_id: str = Field(examples=["2f6c9a52-4d1e-4c7b-9a0e-0c1f7f6f3f11"])
    status_url: str = Field(examples=["/api/messages/2f6c9a52-4d1e-4c7b-9a0e-0c1f7f6f3f11"])


@dataclass(frozen=True, slots=True)
class Sent:
    """A command and its outcome, None while it is not known yet; `events` are CloudEvents."""

    message_id: str
    outcome: str | None
    events: tuple[dict[str, Any], ...] = ()

    @property
    def refusal(self) -> dict[str, Any] | None:
        """The data of the refusal, with `reason` and `detail`."""
        return next((event["data"] for event in self.events if is_refusal(event["type"])), None)

    @property
    def is_change(self) -> bool:
        """Whether something has changed, or may have: neither refused nor unchanged."""
        return self.refusal is None and not is_unchanged(self.outcome)

    def event(self, message_type: str) -> dict[str, Any] | None:
        """The data of the first event of this type."""
        return next((event["data"] for event in self.events if event["type"] == message_type), None)


def is_unchanged(outcome: str | None) -> bool:
    return outcome in ("duplicate", "unchanged") or (outcome or "").startswith("already_")


@dataclass(frozen=True, slots=True)
class Writer:
    """Sends the commands of one request to the workers."""

    request: Request
    ports: Ports
    principal: Principal
    preferences: Preferences
    key: str | None

    def derived(self, *parts: object) -> str:
        """An id for something new; the same one for the same Idempotency-Key."""
        return derived_id(self.principal.name, self.key or correlation_of(self.request), *parts)

    async def number(self, noun: str, *, view: str) -> int:
        """A number for something new; the same one for the same Idempotency-Key."""
        key = f"{self.principal.source}/{self.key}#{noun}"

        async def work(tx: Transaction) -> int:
            earlier = await tx.find(MESSAGES.name, {"_id": key}) if self.key is not None else []
            if earlier:
                return int(earlier[0]["number"])
            number = await next_id(tx, noun, view=view)
            if self.key is not None:
                await tx.insert(MESSAGES.name, [{"_id": key, "number": number, "at": self.ports.time.now()}])
            return number

        return await transact(self.ports.store, self.ports.time, work)

    async def write(
        self,
        command: Command,
        show: Show,
        *,
        location: str | None = None,
        before: Mapping[str, Any] | None = None,
    ) -> Response:
        """Send, and answer: 200, or 201 where `location` is the address of the new thing; 202 past the preferred wait.

        Raises Problem with the reason of a refusal, and BrokerUnavailable.
        """
        sent = await self.send(command, before=before, location=location)
        if sent.outcome is None:
            return self.accepted(sent.message_id)
        refuse(sent)
        shown = await show()
        created = location is not None and not is_unchanged(sent.outcome)
        if isinstance(shown, Response):
            response = shown
            response.status_code = 201 if created else response.status_code
        else:
            response = JSONResponse(shown.model_dump(mode="json"), status_code=201 if created else 200)
        if location is not None:
            response.headers["Location"] = location
        if (applied := self.preferences.applied) is not None:
            response.headers["Preference-Applied"] = applied
        return response

    async def send(
        self,
        command: Command,
        *,
        part: str | None = None,
        before: Mapping[str, Any] | None = None,
        location: str | None = None,
    ) -> Sent:
        """Send a command, wait as preferred, and write what changed to the audit log. A refusal is not raised.

        Where one request sends several commands, `part` distinguishes them, so that a repeat is still recognised.
        Raises Problem idempotency_key_reused, and BrokerUnavailable.
        """
        if not self.ports.commands.connected:
            raise BrokerUnavailable("RabbitMQ is away; try again later")
        correlation = correlation_of(self.request) + (f".{part}" if part else "")
        message_id = (self.key or self.derived("message")) + (f".{part}" if part else "")
        message = message_of(command.__class__)(
            id=message_id,
            source=self.principal.source,
            type=command.message_type,
            time=self.ports.time.now(),
            subject=command.about(),
            correlationid=correlation,
            traceparent=self.request.headers.get("traceparent"),
            data=command,
        )
        with ExitStack() as at_work:
            await self.ports.limits.writes_at_work.acquire()
            at_work.callback(self.ports.limits.writes_at_work.release)
            at_work.callback(RequestTurns.end, self.request.scope)
            earlier = await self._record(message.key, command, correlation, location)
            after = {**content_of(command), "message": message.key}
            entry = Entry(self.principal.as_author, command.message_type, command.about(), correlation, before, after)
            try:
                answer = await self.ports.commands.send(
                    message, wait_s=self.preferences.wait_s, on_confirmed=at_work.close
                )
            except BrokerUnavailable:
                # The broker may have accepted the command nevertheless.
                await self._audit(entry, "unconfirmed", repeated=earlier is not None)
                raise
        sent = Sent(message_id, answer.outcome, tuple(answer.events)) if answer else Sent(message_id, None)
        if sent.is_change:
            await self._audit(entry, sent.outcome or "not known yet", repeated=earlier is not None)
        return sent

    def accepted(self, message_id: str) -> JSONResponse:
        """202, with the address of the outcome."""
        url = MESSAGES_AT + message_id
        headers = {"Location": url, "Retry-After": str(_RETRY_AFTER_S), "Cache-Control": "no-store"}
        if (applied := self.preferences.applied_without_outcome) is not None:
            headers["Preference-Applied"] = applied
        accepted = Accepted(message_id=message_id, status_url=url)
        return JSONResponse(accepted.model_dump(), status_code=202, headers=headers)

    async def _record(self, key: str, command: Command, correlation: str, location: str | None) -> Document | None:
        """Record the request; the earlier record of a repeat. The same key for another command is refused."""
        record: Document = {
            "_id": key,
            "type": command.message_type,
            "about": command.about(),
            "digest": command.content_digest,
            "correlation": correlation,
            "location": location,
            "at": self.ports.time.now(),
        }

        async def work(tx: Transaction) -> Document | None:
            earlier = await tx.find(MESSAGES.name, {"_id": key}) if self.key is not None else []
            if not earlier:
                await tx.insert(MESSAGES.name, [record])
                if self.principal.kind != "shop":
                    await note_favour(tx, self.principal.subject, key, command, self.ports.time.now())
            return earlier[0] if earlier else None

        earlier = await transact(self.ports.store, self.ports.time, work)
        if earlier is not None and earlier.get("digest", command.content_digest) != command.content_digest:
            raise Problem("idempotency_key_reused")
        return earlier

    async def _audit(self, entry: Entry, outcome: str, *, repeated: bool) -> None:
        """Write one entry per change, however often its request is repeated with the same Idempotency-Key."""
        after = {**(entry.after or {}), "outcome": outcome}
        await self.ports.audit.append_done(replace(entry, after=after), repeated=repeated)


def content_of(command: BaseModel) -> dict[str, Any]:
    """What the audit log keeps of a command: everything but sealed values, which are long, and closed to readers."""
    return command.model_dump(mode="json", exclude_none=True, exclude=_sealed_in(command))


def _sealed_in(model: BaseModel) -> dict[str, Any]:
    """The fields that are never printed; they hold what only the process that sends can open."""
    values = {name: getattr(model, name) for name in model.__class__.model_fields}
    nested = {name: _sealed_in(value) for name, value in values.items() if isinstance(value, BaseModel)}
    hidden = {name: True for name, field in model.__class__.model_fields.items() if not field.repr}
    return {name: fields for name, fields in nested.items() if fields} | hidden


def refuse(sent: Sent) -> None:
    """Raise a refusal, or a dead-lettered command, as a Problem."""
    if (refusal := sent.refusal) is not None:
        more = {name: refusal[name] for name in ("clause",) if refusal.get(name)}
        raise Problem(refusal["reason"], detail=refusal.get("detail"), **more)
    if sent.outcome == DEAD_LETTERED:
        raise Problem("set_aside", detail=f"Message {sent.message_id} is dead-lettered.")


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r'^(?:[A-Za-z0-9._:-]{1,100}|"[A-Za-z0-9._:-]{1,100}")$',
        description="Your own id of this request: sent twice, it takes effect once, with the same answer.",
        examples=["5f0c1f0e-93a5-4c1b-8a8e-6ff1d2b7c001"],
    ),
]
Prefer = Annotated[
    str | None,
    Header(
        description="RFC 7240: `wait=N` waits up to N seconds (default 2, at most 10) for the outcome; "
        "`respond-async` answers 202 at once.",
        max_length=200,
        examples=["wait=5"],
    ),
]


async def writer(
    request: Request, ports: Here, principal: Authenticated, prefer: Prefer = None, key: IdempotencyKey = None
) -> Writer:
    # Several Prefer headers are one list; the parameter above is what the documentation shows.
    preferences = Preferences.of(",".join(request.headers.getlist("prefer")))
    return Writer(request, ports, principal, preferences, key.strip('"') if key else None)


Writing = Annotated[Writer, Depends(writer)]
"""A route's parameter: `writing: Writing`; then `return await writing.write(command, show, location=…)`."""


def written(*reasons: str, shown: type[BaseModel], created: bool = False) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that writes: the thing, 202, and the problems that it may end with."""
    sent = {
        "Location": {"description": "Its address.", "schema": {"type": "string"}},
        "Preference-Applied": {"description": "Which preference was followed.", "schema": {"type": "string"}},
    }
    answers: dict[int | str, dict[str, Any]] = {
        200: {
            "model": shown,
            "description": "The current state; nothing has changed." if created else "The current state.",
        },
        202: {"model": Accepted, "description": "Accepted; the Location shows the outcome.", "headers": sent},
    }
    if created:
        answers[201] = {"model": shown, "description": "Created.", "headers": sent}
    always = ("invalid_message", "idempotency_key_reused", "broker_unavailable", "busy", "set_aside")
    return {**answers, **documented(*reasons, *always, "malformed_request", "body_too_large")}
