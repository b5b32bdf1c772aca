"""Whether two JSON Schemas of one message version are compatible, in both directions.

`breaks(old, new)` lists what an old producer may send and a new consumer refuse, and the reverse. One difference is
allowed: an optional field that the new schema adds, because both understand a producer that leaves it out.
If the comparison cannot prove that a value stays valid, such as between two patterns, it reports a break.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = Any
"""A JSON Schema: an object, or true for anything and false for nothing."""

_ANNOTATIONS = frozenset(
    {"title", "description", "examples", "deprecated", "readOnly", "writeOnly", "default", "discriminator"}
    | {"$schema", "$id", "$comment", "$defs", "definitions"}
)
_BOUNDS = (("minimum", "exclusiveMinimum", 1), ("maximum", "exclusiveMaximum", -1))
_SMALLEST = ("minLength", "minItems", "minProperties")
_LARGEST = ("maxLength", "maxItems", "maxProperties")
_EQUAL = ("pattern", "format", "multipleOf", "uniqueItems", "contentEncoding")
_HANDLED = _ANNOTATIONS.union(
    ("$ref", "type", "enum", "const", "anyOf", "oneOf", "required", "properties", "additionalProperties"),
    ("propertyNames", "items", "prefixItems"),
    (name for lower, exclusive, _ in _BOUNDS for name in (lower, exclusive)),
    _SMALLEST,
    _LARGEST,
    _EQUAL,
)
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


@dataclass(frozen=True, slots=True)
class Break:
    """One rule that one side breaks. `path` is the field, such as `data.lines[].quantity`."""

    path: str
    rule: str
    detail: str
    reader: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


_REFUSED = {
    "new": ", which a new consumer does not accept from an old producer",
    "old": ", which an old consumer does not accept from a new producer",
}


def breaks(old: Schema, new: Schema) -> list[Break]:
    """Every reason why the two schemas cannot be the same version; empty if they can."""
    forward = _Comparison(sent=old, read=new, reader="new")
    backward = _Comparison(sent=new, read=old, reader="old")
    return [*forward.run(), *backward.run()]


class _Comparison:
    """Finds the values that are valid as `sent` and not valid as `read`."""

    def __init__(self, *, sent: Schema, read: Schema, reader: str) -> None:
        self._sent = sent
        self._read = read
        self._reader = reader
        self._open: set[tuple[int, int]] = set()

    def run(self) -> list[Break]:
        return list(self._schemas("", self._sent, self._read))

    def _refused(self, path: str, rule: str, detail: str) -> Break:
        return Break(path or "message", rule, detail + _REFUSED[self._reader], self._reader)

    def _schemas(self, path: str, sent: Schema, read: Schema) -> Iterator[Break]:
        pair = (id(sent), id(read))
        if read is True or pair in self._open:
            return  # A schema inside itself: its breaks are being reported already.
        self._open.add(pair)
        yield from self._alternatives(path, sent, read)
        self._open.discard(pair)

    def _alternatives(self, path: str, sent: Schema, read: Schema) -> Iterator[Break]:
        """Each alternative that may be sent must fit one that is read."""
        readers = _alternatives(self._read, read)
        for alternative in _one_value_each(_alternatives(self._sent, sent)):
            attempts = [list(self._one(path, alternative, reader)) for reader in readers]
            if not attempts:
                yield self._refused(path, "type", "no value is allowed any more")
            else:
                # The nearest alternative gives the reason: one that accepts it all, else one of the same type.
                yield from min(attempts, key=lambda found: (any(b.rule == "type" for b in found), len(found)))

    def _one(self, path: str, sent: Schema, read: Schema) -> Iterator[Break]:
        for name in sorted({*sent, *read} - _HANDLED):
            if sent.get(name) != read.get(name) or "$ref" in str(sent[name]):
                yield self._refused(path, name, f"`{name}` may allow more; this comparison cannot decide")
        allowed, given = read.get("type"), sent.get("type")
        if "enum" not in sent and allowed not in (None, given) and (given, allowed) != ("integer", "number"):
            yield self._refused(path, "type", f"the type is {given or 'any'} instead of {allowed}")
            return
        yield from self._values(path, sent, read)
        if "enum" not in sent:
            yield from self._limits(path, sent, read)
        yield from self._object(path, sent, read)
        yield from self._array(path, sent, read)

    def _values(self, path: str, sent: Schema, read: Schema) -> Iterator[Break]:
        if "enum" not in sent:
            if "enum" in read:
                yield self._refused(path, "enum", f"values other than {_listed(read['enum'])} are allowed")
            return
        for value in sent["enum"]:
            if not _admits(read, value):
                yield self._refused(path, "enum", f"the value {value!r} is allowed")

    def _limits(self, path: str, sent: Schema, read: Schema) -> Iterator[Break]:
        for inclusive, exclusive, sign in _BOUNDS:
            sent_part, read_part = _bound(sent, inclusive, exclusive, sign), _bound(read, inclusive, exclusive, sign)
            if read_part is not None and (sent_part is None or sent_part < read_part):
                sent_item, read_item = _shown(sent, inclusive, exclusive), _shown(read, inclusive, exclusive)
                yield self._refused(path, inclusive, f"the {inclusive} is {sent_item}, not {read_item}")
        for name in _SMALLEST:
            if sent.get(name, 0) < read.get(name, 0):
                yield self._refused(path, name, f"`{name}` is {sent.get(name, 0)}, not {read[name]}")
        for name in _LARGEST:
            if name in read and (name not in sent or sent[name] > read[name]):
                yield self._refused(path, name, f"`{name}` is {sent.get(name, 'without limit')}, not {read[name]}")
        for name in _EQUAL:
            if name in read and sent.get(name) != read[name]:
                yield self._refused(path, name, f"`{name}` is {sent.get(name, 'absent')}, not {read[name]}")

    def _object(self, path: str, sent: Schema, read: Schema) -> Iterator[Break]:
        sent_part, read_part = sent.get("properties", {}), read.get("properties", {})
        required = set(sent.get("required", ()))
        for name in read.get("required", ()):
            if name not in required:
                yield self._refused(_join(path, name), "required", "the field may be left out")
        for name, schema in sent_part.items():
            where = _join(path, name)
            if name in read_part:
                yield from self._schemas(where, schema, read_part[name])
                yield from self._default(where, schema, read_part[name], optional=name not in required)
            elif self._reader == "new":
                detail = "the field was removed or renamed, so the data of an old producer is lost"
                yield Break(where, "properties", detail, self._reader)
        more, fewer = read.get("additionalProperties", True), sent.get("additionalProperties", True)
        if more is not True and fewer is not False:
            if more is False:
                yield self._refused(path, "additionalProperties", "unknown fields are allowed")
            else:
                yield from self._schemas(f"{path}{{}}", fewer, more)
        if "propertyNames" in read:
            yield from self._schemas(f"{path}{{name}}", sent.get("propertyNames", True), read["propertyNames"])

    def _default(self, path: str, sent: Schema, read: Schema, *, optional: bool) -> Iterator[Break]:
        """An absent field must mean the same to both; reported once, for the new reader."""
        if optional and self._reader == "new" and isinstance(sent, dict) and isinstance(read, dict):
            sent_part, read_part = sent.get("default"), read.get("default")
            if sent_part != read_part or type(sent_part) is not type(read_part):
                detail = f"left out, it means {sent_part!r} to an old producer and {read_part!r} to a new consumer"
                yield Break(path, "default", detail, self._reader)

    def _array(self, path: str, sent: Schema, read: Schema) -> Iterator[Break]:
        sent_part, read_part = sent.get("prefixItems", ()), read.get("prefixItems", ())
        positions = range(
            min(max(len(sent_part), len(read_part)), sent.get("maxItems", len(sent_part) + len(read_part)))
        )
        for index in positions:
            sent_item = sent_part[index] if index < len(sent_part) else sent.get("items", True)
            read_item = read_part[index] if index < len(read_part) else read.get("items", True)
            yield from self._schemas(f"{path}[{index}]", sent_item, read_item)
        if sent.get("maxItems", len(positions) + 1) > len(positions):
            yield from self._schemas(f"{path}[]", sent.get("items", True), read.get("items", True))


def _alternatives(root: Schema, schema: Schema) -> list[dict[str, Any]]:
    """The schema as a list of plain alternatives: references followed, unions and type lists expanded."""
    if isinstance(schema, bool):
        return [{}] if schema else []
    if "$ref" in schema:
        return _alternatives(root, {**_resolved(root, schema["$ref"]), **_without(schema, "$ref")})
    for union in ("anyOf", "oneOf"):
        if union in schema:
            outer = {name: value for name, value in schema.items() if name != union and name not in _ANNOTATIONS}
            opened = (found for option in schema[union] for found in _alternatives(root, option))
            return [{**option, **outer} for option in opened]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": name} for name in schema["type"]]
    if "const" in schema:
        return [{**_without(schema, "const"), "enum": [schema["const"]]}]
    return [schema]


def _one_value_each(alternatives: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Split enums into single values: each may match another alternative."""
    for alternative in alternatives:
        if "enum" in alternative:
            yield from ({**alternative, "enum": [value]} for value in alternative["enum"])
        else:
            yield alternative


def _resolved(root: Schema, reference: str) -> dict[str, Any]:
    if not reference.startswith("#/"):
        raise ValueError(f"the reference {reference!r} leaves its document; a snapshot must stand alone")
    found = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    return dict(found)


def _without(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != name}


def _admits(read: dict[str, Any], value: object) -> bool:
    """Whether one plain value is valid; undecidable values count as invalid."""
    kind = "null" if value is None else _TYPES[type(value)]
    if read.get("type", kind) not in (kind, "number" if kind == "integer" else kind):
        return False
    if "enum" in read:
        return any(known == value and type(known) is type(value) for known in read["enum"])
    if isinstance(value, str):
        length = read.get("minLength", 0) <= len(value) <= read.get("maxLength", len(value))
        return length and bool(re.search(read.get("pattern", ""), value)) and "format" not in read
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        bounds = ((_bound(read, inclusive, exclusive, sign), sign) for inclusive, exclusive, sign in _BOUNDS)
        return "multipleOf" not in read and all(
            bound is None or (sign * value, False) >= bound for bound, sign in bounds
        )
    return value is None or isinstance(value, bool)


def _bound(schema: dict[str, Any], inclusive: str, exclusive: str, sign: int) -> tuple[float, bool] | None:
    """The tighter of the two bounds, signed so that a larger one admits less."""
    found = [(sign * schema[name], name == exclusive) for name in (inclusive, exclusive) if name in schema]
    return max(found, default=None)


def _shown(schema: dict[str, Any], inclusive: str, exclusive: str) -> str:
    if exclusive in schema:
        return f"{schema[exclusive]} (exclusive)"
    return str(schema.get(inclusive, "without limit"))


def _listed(values: list[Any]) -> str:
    return ", ".join(repr(value) for value in values)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
