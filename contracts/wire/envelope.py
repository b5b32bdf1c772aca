"""The envelope is a CloudEvents 1.0 event in JSON; the payload inside is a versioned contract.

A payload class names its message type, whose last part is the version: `order.place.v2`. The type is also the
routing key. Commands refuse unknown fields, events ignore them, so that producers may run ahead of consumers.
Source: CloudEvents 1.0.2, JSON event format and JSON batch format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property, lru_cache
from hashlib import sha1
from json.encoder import encode_basestring as _quoted
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
)

from contracts.fields import BY_VALUE

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
BATCH_EVENTS_MAX = 500
"""Messages in one body. Each unreadable one costs an answer, a dead letter and a line of the log."""

COMMANDS_EXCHANGE = "tributary.commands"
EVENTS_EXCHANGE = "tributary.events"
SHOPS_EXCHANGE = "tributary.shops"
"""Where shops write. It leads to the queues of their commands, and nowhere else."""
SHOP_EVENTS_EXCHANGE = "tributary.shop-events"
"""What each shop reads: answers to its messages and events of its orders, routed by its id."""
SHOP_SOURCE = "urn:shop:"
"""A shop's source is this and its id."""

_NAMESPACE = UUID("6f1d0b5e-6f2c-5d0c-9a55-7d2f3a1c9b10")


def to_utc_milliseconds(moment: datetime) -> datetime:
    """Cut to milliseconds, the precision of BSON, so that a stored time equals the time sent."""
    if moment.utcoffset():
        try:
            moment = moment.astimezone(UTC)
        except OverflowError as error:
            raise ValueError("the time lies outside the years 1 to 9999 in UTC") from error
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)


_NUMBER = re.compile(r"[-+]?[0-9._eE]+")
_is_rfc_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[-+][0-9]{2}:[0-9]{2})"
).fullmatch


def _text_or_time(value: object) -> object:
    """Accept RFC 3339 only: a number may be seconds or milliseconds, and a time without an offset is ambiguous."""
    if isinstance(value, str) and _is_rfc_3339(value) is not None:
        return value
    if isinstance(value, int | float) or (isinstance(value, str) and _is_a_time(value)):
        raise ValueError("write the time as RFC 3339 text with an offset, for example 2026-11-22T12:00:00Z")
    return value


_TIME: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


def _is_a_time(text: str) -> bool:
    """Whether pydantic reads the text as a time. If not, its own error states why."""
    try:
        _TIME.validate_python(text)
    except ValidationError:
        return bool(_NUMBER.fullmatch(text))
    return True


Timestamp = Annotated[AwareDatetime, BeforeValidator(_text_or_time), AfterValidator(to_utc_milliseconds)]
"""An RFC 3339 time with offset, kept in UTC with millisecond precision."""

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def _valid_or_none(value: object) -> object:
    """W3C Trace Context: a malformed traceparent is ignored, never a reason to refuse the message."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


TraceParent = Annotated[str | None, BeforeValidator(_valid_or_none)]

PAYLOADS: dict[str, type[Payload]] = {}
"""Every message type that exists, by its name with version."""


class Payload(BaseModel):
    """The data of one message. Subclasses pass `type=`; `about` names the message's subject."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    message_type: ClassVar[str] = ""

    from_shops: ClassVar[bool] = False
    """Whether shops may send it by their own logins; it names its shop in `shop_id` then.

    Its lists end at their first invalid item: the errors of a body of 1 MiB would take a gigabyte.
    """

    to_one_shop: ClassVar[bool] = False
    """Whether it is published for one shop alone, into the queue of that shop."""

    shop_reads: ClassVar[frozenset[str]] = frozenset()
    """The fields that the shop of an order may read in its own copy of an event; with none, it gets no copy."""

    def __init_subclass__(
        cls, *, type: str | None = None, from_shops: bool = False, shop_reads: Iterable[str] = (), **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        cls.from_shops = from_shops
        cls.shop_reads = frozenset(shop_reads)
        if type is None:
            return
        if type in PAYLOADS:
            raise TypeError(f"message type {type} is defined twice")
        cls.message_type = type
        PAYLOADS[type] = cls

    @classmethod
    def for_shop(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """The part of this event's JSON data that its shop may read."""
        return {name: value for name, value in data.items() if name in cls.shop_reads}

    def about(self) -> str:
        """The CloudEvents subject, for example `order/shop-7/10023`."""
        raise NotImplementedError(f"{self.__class__.__name__} does not define `about`")

    def upcast(self) -> Payload:
        """The same in the next version of its type, without loss; itself if there is none."""
        return self

    older_names: ClassVar[Mapping[str, str]] = {}
    """On an older version: what its fields are called there, by their names in the newest."""

    def sets(self) -> str:
        """The entity whose state the message sets; usually its subject."""
        return self.about()


class Command(Payload):
    """A request to act. Unknown fields are refused: a misspelt field must not pass silently."""

    model_config = ConfigDict(extra="forbid")

    @property
    def content_digest(self) -> str:
        """The digest of type and content, with amounts by value. Defaults are left out, so a field that a later release
        adds changes no digest.
        """
        written = self.__pydantic_serializer__.to_json(self, exclude_defaults=True, context=BY_VALUE)
        return sha1(self.message_type.encode() + b"\x1f" + written, usedforsecurity=False).hexdigest()[:20]


class Event(Payload):
    """A statement of what happened. Unknown fields are ignored: an older reader keeps working."""

    model_config = ConfigDict(extra="ignore")


class Refusal(Event):
    """A command was refused: `reason` is a code, `detail` a sentence that names the field and the rule.

    Each refusal declares both at their place among its fields, since fields are written in the order of declaration.
    """

    if TYPE_CHECKING:
        reason: str
        detail: str


def in_words_of(message_type: str, refusal: Refusal) -> Refusal:
    """The refusal with the field that `detail` begins with named as in this older version of the command."""
    names = PAYLOADS[message_type].older_names if message_type in PAYLOADS else {}
    name, colon, rest = refusal.detail.partition(":")
    return refusal.model_copy(update={"detail": f"{names[name]}:{rest}"}) if colon and name in names else refusal


SUBJECT_MAX = CORRELATION_MAX = 256

P = TypeVar("P", bound=Payload)
P_co = TypeVar("P_co", bound=Payload, covariant=True)


class Message(BaseModel, Generic[P_co]):
    """One CloudEvents event. Source and id together are unique; times are UTC.

    `time` is by the sender's clock; `received_at` by ours, when the message arrived.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1, max_length=128)
    source: str = Field(min_length=1, max_length=256)
    type: str
    time: Timestamp
    subject: str | None = Field(default=None, max_length=SUBJECT_MAX)
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: str | None = Field(default=None, max_length=CORRELATION_MAX)
    causationid: str | None = Field(default=None, max_length=128)
    traceparent: TraceParent = None
    data: P_co

    @property
    def key(self) -> str:
        """Identifies repeats. A command's id is chosen by its sender, so it is unique per source."""
        return self.id if isinstance(self.data, Event) else f"{self.source}/{self.id}"

    @property
    def digest(self) -> str | None:
        """The digest of a command, which detects different commands under one id. Events need none, since their ids are
        derived from their cause.
        """
        return self.data.content_digest if isinstance(self.data, Command) else None

    @property
    def correlation(self) -> str:
        """The correlation id: as given, else the subject, such as the order."""
        return self.correlationid or self.data.about()

    @cached_property
    def sent_as(self) -> str:
        """The type in which the sender wrote it, where the message was lifted from an older version. No field."""
        return self.type

    def was_sent_as(self, message_type: str) -> None:
        self.__dict__["sent_as"] = message_type

    @cached_property
    def received_at(self) -> datetime:
        """When the message arrived, by our own clock. Not a field: it is never on the wire."""
        raise LookupError(f"message {self.id} has not been received; `received` sets when it was")

    @property
    def bounded_time(self) -> datetime:
        """The later of the sender's time and our receipt: when a command without a time of its own takes effect."""
        return max(self.time, self.received_at)

    def received(self, at: datetime) -> Self:
        """Set when the message arrived, and return it. A copy would cost as much as parsing it."""
        self.__dict__["received_at"] = at
        return self

    def to_bytes(self) -> bytes:
        """The structured JSON form, without empty attributes."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


@cache
def message_of(payload: type[P]) -> type[Message[P]]:
    """Return the envelope class whose `type` and `data` are exactly those of `payload`."""
    fields: dict[str, Any] = {
        "type": (Literal[payload.message_type], payload.message_type),
        "data": (payload, ...),
    }
    model = create_model(f"{payload.__name__}Message", __base__=Message, **fields)
    return cast("type[Message[P]]", model)


def derived_id(*parts: object) -> str:
    """A UUID (version 5) of the parts: equal parts give equal ids, so consumers recognise repeats.

    `uuid.uuid5` gives the same and is several times slower.
    """
    octets = bytearray(_digest(parts)[:16])
    octets[6] = octets[6] & 0x0F | 0x50
    octets[8] = octets[8] & 0x3F | 0x80
    text = octets.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def ordered_id(time: datetime, *parts: object) -> str:
    """A derived UUID (version 8 of RFC 9562) that begins with a time, in milliseconds since 1970.

    Ids of one hour are neighbours in an index, so the store writes a few pages instead of all of them.
    """
    moment = f"{max(0, int(time.timestamp() * 1000)):012x}"
    rest = _digest(parts).hex()
    return f"{moment[:8]}-{moment[8:]}-8{rest[:3]}-8{rest[3:6]}-{rest[6:18]}"


def _digest(parts: Iterable[object]) -> bytes:
    name = "\x1f".join(map(str, parts)).encode()
    return sha1(_NAMESPACE.bytes + name, usedforsecurity=False).digest()


class Cause(Protocol):
    """The cause of a message: another message, or one that could not be read."""

    @property
    def id(self) -> str: ...

    @property
    def key(self) -> str: ...

    @property
    def correlation(self) -> str: ...

    @property
    def traceparent(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Emission(Generic[P_co]):
    """A message that a worker sends, serialised like a `Message`. An order needs four of them; building and serialising
    a model for each would take half as long again.
    """

    id: str
    source: str
    time: datetime
    correlationid: str
    causationid: str
    traceparent: str
    data: P_co

    @property
    def type(self) -> str:
        return self.data.message_type

    @property
    def subject(self) -> str:
        return self.data.about()

    def to_bytes(self) -> bytes:
        """The structured JSON form, as `Message.to_bytes` gives it."""
        head = (
            f'{{"specversion":"1.0","id":"{self.id}","source":{_quoted(self.source)},"type":"{self.type}",'
            f'"time":{_written(self.time)},"subject":{_quoted(self.subject)},'
            f'"datacontenttype":"application/json","correlationid":{_quoted(self.correlationid)},'
            f'"causationid":{_quoted(self.causationid)},"traceparent":"{self.traceparent}","data":'
        )
        return head.encode() + self.data.__pydantic_serializer__.to_json(self.data, exclude_none=True) + b"}"


_TIMES = TypeAdapter(datetime)


@lru_cache(maxsize=16)
def _written(time: datetime) -> str:
    """A time in JSON, cached: all messages of a batch have the same time."""
    return _TIMES.dump_json(time).decode()


def emit(
    payload: P, *, cause: Cause, source: str, index: object, at: datetime, began: datetime | None = None
) -> Emission[P]:
    """Wrap a payload in an envelope that names its cause.

    The id is derived from source, cause, type and index, so that handling the cause again gives the same id. It begins
    with `began`, the time of the cause, if given.
    """
    parts = (source, cause.key, payload.message_type, index)
    message_id = derived_id(*parts) if began is None else ordered_id(began, *parts)
    trace = child_of(cause.traceparent or root_trace(cause.id), message_id)
    return Emission(message_id, source, at, cause.correlation, cause.id, trace, payload)


def root_trace(message_id: str) -> str:
    """A W3C traceparent for a message that came without one, derived from its id."""
    digest = derived_id("trace", message_id).replace("-", "")
    return f"00-{digest}-{digest[:16]}-01"


def child_of(traceparent: str, message_id: str) -> str:
    """The traceparent of a message caused within `traceparent`: same trace, a new span.

    The span is the end of the id, which differs between messages of one moment.
    """
    trace_id = traceparent[3:35]
    return f"00-{trace_id}-{message_id.replace('-', '')[-16:]}-{traceparent[-2:]}"
