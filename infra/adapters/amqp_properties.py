"""Lets a message arrive although the AMQP client cannot decode some of its properties; the message lists them.

AMQP allows any bytes in a short string and any 64-bit number as a timestamp. pamqp raises for both, and for a table
that is nested too deeply, in the task that reads the connection. The connection ends, every delivery on it is requeued,
and the same message ends the next connection. The broker meanwhile counts a delivery for the whole prefetch window, and
dead-letters all of it at the limit. aio-pika raises for a few more values, in a callback that then never acknowledges
its message. And pamqp copies what is left of a table for each value in it: the 128 KB of one frame keep it busy for
seconds.

pamqp has no hook for this, so `install` wraps two of its methods. They try pamqp first and read byte by byte only if it
raises, so an ordinary message costs one more call. Of properties beyond PROPERTIES_BYTES_MAX the headers are not read.
Properties that could not be decoded are left out of the message. Their names and bytes are kept in the message's
headers under a key that is no text, which no sender can forge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pamqp import decode
from pamqp.commands import Basic

PROPERTIES_BYTES_MAX: Final = 4 * 1024
"""All properties without headers have at most 2,570 bytes, and what we and the broker add has less than 1,500. The most
expensive headers within it take as long to decode as a body of the same size.
"""

_UNDECODED: Final = object()
_DELIVERY_MODE_MAX: Final = 2
_BYTES_SHOWN: Final = 16
_NAMED_MAX: Final = 3
_FIXED_SIZES: Final = {"octet": 1, "timestamp": 8}
_TABLE_SIZES: Final = {
    **dict.fromkeys(b"V\x00", 0),
    **dict.fromkeys(b"tbB", 1),
    **dict.fromkeys(b"su", 2),
    **dict.fromkeys(b"Iif", 4),
    b"D"[0]: 5,
    **dict.fromkeys(b"lLdT", 8),
}
"""The size of a table value in bytes, by its type. A value of any other known type begins with its length."""

_TYPES_WITH_LENGTH: Final = b"SAFx"

_decode_properties = Basic.Properties.unmarshal
_decode_deliver = Basic.Deliver.unmarshal


class UndecodedText(str):
    """Bytes that are not UTF-8, as readable text: `\\xff` for each byte that cannot be decoded."""

    __slots__ = ()


def install() -> None:
    """Make every connection of this process read such messages. Calling it again changes nothing."""
    Basic.Properties.unmarshal = _properties  # type: ignore[method-assign,assignment]
    Basic.Deliver.unmarshal = _deliver  # type: ignore[method-assign,assignment]


def undecoded(headers: Mapping[Any, Any], routing_key: str | None) -> str | None:
    """The properties that could not be decoded, by name and with their first bytes; None for an ordinary message."""
    found: list[str] = list(headers.get(_UNDECODED, ()))
    if isinstance(routing_key, UndecodedText):
        found.insert(0, f"routing_key ({routing_key})")
    if not found:
        return None
    more = len(found) - _NAMED_MAX
    return ", ".join(found[:_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def _properties(properties: Basic.Properties, flags: int, data: bytes) -> None:
    if len(data) > PROPERTIES_BYTES_MAX:
        _read_one_by_one(properties, flags, data)
        return
    try:
        _decode_properties(properties, flags, data)
        # aio-pika raises for these two later, and would leave the message unacknowledged.
        expires = properties.expiration
        decoded = (properties.delivery_mode or 0) <= _DELIVERY_MODE_MAX and (expires is None or _is_number(expires))
    except Exception:
        decoded = False
    if not decoded:
        _read_one_by_one(properties, flags, data)


def _read_one_by_one(properties: Basic.Properties, flags: int, data: bytes) -> None:
    is_large = len(data) > PROPERTIES_BYTES_MAX
    found: list[str] = []
    headers: dict[Any, Any] = {}
    for name in properties.__slots__:
        setattr(properties, name, None)
        if not flags & properties.flags[name]:
            continue
        kind = properties.amqp_type(name)
        raw, data = _split(kind, data)
        if kind == "table":
            found += [f"headers ({len(raw)} bytes, too many to read)"] if is_large else _read_table(raw, headers)
            continue
        try:
            value = decode.by_type(raw, kind)[1]
            _require(name, value)
        except Exception:
            found.append(_shown("type" if name == "message_type" else name, raw[1:] if kind == "shortstr" else raw))
        else:
            setattr(properties, name, value)
    headers[_UNDECODED] = tuple(found) or ("properties",)
    properties.headers = headers


def _split(kind: str, data: bytes) -> tuple[bytes, bytes]:
    """The bytes of the first property, which is of this kind, and the remaining bytes."""
    if kind == "shortstr":
        size = 1 + data[0] if data else 0
    elif kind == "table":
        size = 4 + int.from_bytes(data[:4])
    else:
        size = _FIXED_SIZES[kind]
    return data[:size], data[size:]


def _require(name: str, value: object) -> None:
    if name == "delivery_mode" and not (isinstance(value, int) and value <= _DELIVERY_MODE_MAX):
        raise ValueError("a delivery mode is 1 or 2")
    if name == "expiration" and not _is_number(value):
        raise ValueError("an expiration is a number of milliseconds")


def _is_number(text: object) -> bool:
    try:
        float(str(text))
    except ValueError:
        return False
    return True


def _read_table(raw: bytes, headers: dict[Any, Any]) -> Iterator[str]:
    """Put what can be decoded into `headers`, and yield what cannot. Reading ends at an unknown type."""
    at = 4
    while at < len(raw):
        key_end = at + 1 + raw[at]
        key, at = raw[at + 1 : key_end], key_end
        size = _value_size(raw, at)
        value = raw[at : at + size] if size else raw[at:]
        name = f"headers.{key.decode(errors='backslashreplace')}"
        try:
            if not size:
                raise ValueError("unknown type")
            headers[key.decode()] = decode.embedded_value(value)[1]
        except Exception:
            yield _shown(name, value[1:])
        if not size:
            return
        at += size


def _value_size(raw: bytes, at: int) -> int:
    """The size in bytes of the value whose type is at `at`; 0 if the type is unknown or the table ends too early."""
    kind = raw[at : at + 1]
    if not kind:
        return 0
    if kind in _TYPES_WITH_LENGTH:
        return 5 + int.from_bytes(raw[at + 1 : at + 5])
    size = _TABLE_SIZES.get(kind[0])
    return 0 if size is None else 1 + size


def _deliver(frame: Basic.Deliver, data: bytes) -> None:
    """Decode by pamqp, or else by the protocol's layout of this frame: tag, number, a bit, exchange, routing key."""
    try:
        _decode_deliver(frame, data)
    except Exception:
        tag, data = _split("shortstr", data)
        number, redelivered, data = data[:8], data[8:9], data[9:]
        exchange, routing_key = _split("shortstr", data)
        frame.consumer_tag = _text(tag)
        frame.delivery_tag = int.from_bytes(number)
        frame.redelivered = redelivered != b"\x00"
        frame.exchange = _text(exchange)
        frame.routing_key = _text(routing_key)


def _text(short_string: bytes) -> str:
    try:
        return short_string[1:].decode()
    except UnicodeDecodeError:
        return UndecodedText(short_string[1:].decode(errors="backslashreplace"))


def _shown(name: str, raw: bytes) -> str:
    """`timestamp (00 06 44 …)`: enough to recognise the sender's mistake."""
    return f"{name} ({raw[:_BYTES_SHOWN].hex(' ')}{' …' if len(raw) > _BYTES_SHOWN else ''})"
