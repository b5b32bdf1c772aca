"""Two schemas of one version must be compatible in both directions; optional additions are allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.wire import schema
from contracts.wire.catalogue import ALL
from contracts.wire.compatibility import breaks
from contracts.wire.json_schema import schema_of, to_text


def _object(properties: dict[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def _field(field: dict[str, Any], **more: Any) -> dict[str, Any]:
    return _object({"f": field}, ("f",), **more)


def _parts(reference: str, part: dict[str, Any]) -> dict[str, Any]:
    """A schema that is its own part, as pydantic writes recursive types."""
    return {"$ref": f"#/$defs/{reference}", "$defs": {reference: part}}


INT: dict[str, Any] = {"type": "integer"}
STR: dict[str, Any] = {"type": "string"}
NULL: dict[str, Any] = {"type": "null"}
ARRAY_OF_INT: dict[str, Any] = {"type": "array", "items": INT}
PAIR: dict[str, Any] = {"type": "array", "prefixItems": [INT, STR], "minItems": 2, "maxItems": 2}

# The first allows everything that the second allows: the change is a break in one direction only.
NARROWED = [
    ("type", {"type": "number"}, INT),
    ("type", {"anyOf": [STR, INT]}, STR),
    ("type", {"anyOf": [STR, NULL]}, STR),
    ("type", {"type": ["string", "null"]}, STR),
    ("type", {}, STR),
    ("enum", {"enum": ["a", "b"]}, {"enum": ["a"]}),
    ("enum", STR, {"type": "string", "enum": ["a"]}),
    ("pattern", STR, {"type": "string", "pattern": "^a$"}),
    ("format", STR, {"type": "string", "format": "date-time"}),
    ("multipleOf", INT, {"type": "integer", "multipleOf": 5}),
    ("minimum", INT, {"type": "integer", "minimum": 0}),
    ("minimum", {"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1}),
    ("minimum", {"type": "number", "minimum": 0}, {"type": "number", "exclusiveMinimum": 0}),
    ("maximum", INT, {"type": "integer", "maximum": 9}),
    ("maximum", {"type": "integer", "maximum": 9}, {"type": "integer", "maximum": 8}),
    ("maximum", {"type": "number", "maximum": 9}, {"type": "number", "exclusiveMaximum": 9}),
    ("minLength", STR, {"type": "string", "minLength": 1}),
    ("maxLength", STR, {"type": "string", "maxLength": 9}),
    ("maxLength", {"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 8}),
    ("minItems", ARRAY_OF_INT, {**ARRAY_OF_INT, "minItems": 1}),
    ("maxItems", ARRAY_OF_INT, {**ARRAY_OF_INT, "maxItems": 5}),
    ("uniqueItems", ARRAY_OF_INT, {**ARRAY_OF_INT, "uniqueItems": True}),
    ("type", {"type": "array"}, ARRAY_OF_INT),
    ("minimum", ARRAY_OF_INT, {"type": "array", "items": {"type": "integer", "minimum": 1}}),
    ("minimum", PAIR, {**PAIR, "prefixItems": [{"type": "integer", "minimum": 1}, STR]}),
    ("maxItems", {**PAIR, "prefixItems": [INT, STR, INT], "maxItems": 3}, PAIR),
    ("additionalProperties", {"type": "object"}, {"type": "object", "additionalProperties": False}),
    ("type", {"type": "object"}, {"type": "object", "additionalProperties": INT}),
    ("pattern", {"type": "object"}, {"type": "object", "propertyNames": {"pattern": "^a$"}}),
    ("minProperties", {"type": "object"}, {"type": "object", "minProperties": 1}),
    ("maxProperties", {"type": "object"}, {"type": "object", "maxProperties": 1}),
    ("required", _object({"g": INT}), _object({"g": INT}, ("g",))),
    ("enum", {"type": "string", "pattern": "^a"}, {"enum": ["ab"]}),
    ("enum", {"type": "string", "minLength": 2, "maxLength": 3}, {"enum": ["ab", "abc"]}),
    ("enum", {"type": "integer", "minimum": 1, "maximum": 3}, {"enum": [1, 3]}),
    ("enum", {"type": "number"}, {"enum": [1, 1.5]}),
    ("enum", {"anyOf": [{"type": "boolean"}, NULL]}, {"enum": [True, None]}),
]

# Neither allows everything that the other allows, or the comparison cannot decide.
MOVED = [
    ("type", STR, INT),
    ("enum", {"const": "a"}, {"const": "b"}),
    ("enum", {"const": 1}, {"const": True}),
    ("pattern", {"type": "string", "pattern": "^[ab]$"}, {"type": "string", "pattern": "^a$"}),
    ("type", {"type": "object", "additionalProperties": STR}, {"type": "object", "additionalProperties": INT}),
    ("not", STR, {"type": "string", "not": {"const": "a"}}),
    ("allOf", {"type": "string"}, {"type": "string", "allOf": [{"maxLength": 3}]}),
    ("enum", {"enum": ["b"]}, {"type": "string", "pattern": "^a"}),
    ("enum", {"enum": ["abcd"]}, {"type": "string", "maxLength": 3}),
    ("enum", {"enum": [0]}, {"type": "integer", "minimum": 1}),
    ("enum", {"enum": [1]}, {"type": "number", "exclusiveMinimum": 1}),
    ("enum", {"enum": [4]}, {"type": "integer", "maximum": 3}),
    ("enum", {"enum": [4]}, {"type": "integer", "multipleOf": 3}),
    ("enum", {"enum": ["x"]}, {"type": "string", "format": "date-time"}),
    ("enum", {"enum": ["x"]}, INT),
    ("allOf", {"allOf": [{"$ref": "#/$defs/A"}]}, {"allOf": [{"$ref": "#/$defs/A"}]}),
]


def _rules(old: dict[str, Any], new: dict[str, Any]) -> set[tuple[str, str]]:
    found = breaks(_field(old), _field(new))
    assert all(b.path.startswith("f") for b in found)
    return {(b.rule, b.reader) for b in found}


@pytest.mark.parametrize(("rule", "wide", "narrow"), NARROWED)
def test_narrowing_breaks_old_producers(rule: str, wide: dict[str, Any], narrow: dict[str, Any]) -> None:
    assert _rules(wide, narrow) == {(rule, "new")}


@pytest.mark.parametrize(("rule", "wide", "narrow"), NARROWED)
def test_widening_breaks_old_consumers(rule: str, wide: dict[str, Any], narrow: dict[str, Any]) -> None:
    assert _rules(narrow, wide) == {(rule, "old")}


@pytest.mark.parametrize(("rule", "one", "other"), MOVED)
def test_an_incomparable_change_breaks_both(rule: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (rule, "new") in _rules(one, other)
    assert {reader for _, reader in _rules(one, other)} == {"new", "old"}


LINE = _object({"quantity": {"type": "integer", "minimum": 1, "maximum": 10}}, ("quantity",))
NODE = _object({"next": {"anyOf": [{"$ref": "#/$defs/Node"}, NULL], "default": None}})
TREE: dict[str, Any] = {"anyOf": [INT, {"type": "array", "items": {"$ref": "#/$defs/Tree"}}]}

SAME = [
    pytest.param(_field(INT), _field({"title": "T", "description": "D", **INT}), id="words"),
    pytest.param(_field({"type": ["string", "null"]}), _field({"anyOf": [NULL, STR]}), id="a union in two spellings"),
    pytest.param(_field({"const": "a"}), _field({"type": "string", "enum": ["a"]}), id="const and enum of one"),
    pytest.param(_field({"minimum": 0, **INT}), _field({"minimum": 0.0, **INT}), id="0 and 0.0"),
    pytest.param(_field(STR), _field({"minLength": 0, **STR}), id="no lower limit and 0"),
    pytest.param(
        _field({"$ref": "#/$defs/A"}, **{"$defs": {"A": LINE}}),
        _field({"$ref": "#/$defs/B"}, **{"$defs": {"B": LINE}}),
        id="a part with another name",
    ),
    pytest.param(_field({"$ref": "#/$defs/A"}, **{"$defs": {"A": LINE}}), _field(LINE), id="a part written out"),
    pytest.param(_parts("Node", NODE), _parts("Node", NODE), id="a part inside itself"),
    pytest.param(_parts("Tree", TREE), _parts("Tree", TREE), id="a union inside itself"),
    pytest.param(_field(PAIR), _field({**PAIR, "items": False}), id="a closed list in two spellings"),
    pytest.param(_field({**INT, "default": 0}), _field({**INT, "default": 1}), id="a default that is never used"),
    pytest.param(_object({}), _object({"g": {**INT, "default": 3}}), id="optional field added, reader tolerant"),
    pytest.param(
        _object({}, additionalProperties=False),
        _object({"g": {"anyOf": [INT, NULL], "default": None}}, additionalProperties=False),
        id="optional field added, reader strict",
    ),
    pytest.param(
        _field({"type": "array", "items": LINE}),
        _field({"type": "array", "items": {**LINE, "properties": {**LINE["properties"], "note": STR}}}),
        id="optional field added to a part",
    ),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_a_compatible_change_has_no_breaks(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert breaks(old, new) == []


def _breaks(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(b.path, b.rule, b.reader) for b in breaks(old, new)]


def test_removing_a_field_breaks_even_a_tolerant_reader() -> None:
    assert _breaks(_object({"g": INT}), _object({})) == [("g", "properties", "new")]


def test_removing_a_required_field_breaks_both_directions() -> None:
    assert _breaks(_field(INT), _object({})) == [("f", "properties", "new"), ("f", "required", "old")]


def test_adding_a_required_field_breaks_old_producers() -> None:
    assert _breaks(_object({}), _field(INT)) == [("f", "required", "new")]


def test_renaming_counts_as_removing_and_adding() -> None:
    old, new = _object({"amount": STR}, ("amount",)), _object({"total": STR}, ("total",))

    assert _breaks(old, new) == [
        ("total", "required", "new"),
        ("amount", "properties", "new"),
        ("amount", "required", "old"),
    ]


def test_another_default_is_a_break() -> None:
    assert _breaks(_object({"g": {**INT, "default": 0}}), _object({"g": {**INT, "default": 1}})) == [
        ("g", "default", "new")
    ]
    assert _breaks(_object({"g": {"default": 0}}), _object({"g": {"default": False}})) == [("g", "default", "new")]


def test_the_path_includes_parts_and_lists() -> None:
    def order(maximum: int) -> dict[str, Any]:
        line = _object({"quantity": {"type": "integer", "maximum": maximum}}, ("quantity",))
        lines = {"type": "array", "items": {"$ref": "#/$defs/Line"}}
        data = _object({"lines": lines}, ("lines",))
        return _object({"data": {"$ref": "#/$defs/Data"}}, ("data",), **{"$defs": {"Line": line, "Data": data}})

    (found,) = breaks(order(10), order(9))

    assert str(found) == (
        "data.lines[].quantity: the maximum is 10, not 9, which a new consumer does not accept from an old producer"
    )


def test_a_break_inside_a_nullable_part_has_its_path() -> None:
    old = _field({"anyOf": [LINE, NULL]})
    new = _field(
        {"anyOf": [NULL, _object({"quantity": {"type": "integer", "minimum": 2, "maximum": 9}}, ("quantity",))]}
    )

    assert _breaks(old, new) == [("f.quantity", "minimum", "new"), ("f.quantity", "maximum", "new")]


def test_a_reference_out_of_the_document_is_an_error() -> None:
    with pytest.raises(ValueError, match="must stand alone"):
        breaks(_field({"$ref": "other.json"}), _field(INT))


def test_every_message_is_compatible_with_its_release() -> None:
    problems = schema.check()
    assert not problems, " ".join(problems)


def test_every_message_is_compatible_with_itself() -> None:
    for payload in ALL.values():
        assert breaks(schema_of(payload), schema_of(payload)) == []


@pytest.fixture
def released(tmp_path: Path) -> Path:
    schema.export(tmp_path, None)
    return tmp_path


def _edit(path: Path, change: Any) -> None:
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(to_text(document), "utf-8")


@pytest.mark.slow
def test_an_export_passes_the_check_and_is_not_written_twice(released: Path) -> None:
    assert schema.check(released, None) == []
    assert schema.export(released, None) == schema.Exported(written=[], problems=[])


@pytest.mark.slow
def test_a_message_without_snapshot_is_reported_and_exported(released: Path) -> None:
    snapshot = released / "order.place.v2.json"
    snapshot.unlink()

    assert schema.check(released, None) == ["order.place.v2 has no snapshot: run `tributary schema export`."]
    assert schema.export(released, None) == schema.Exported(written=[snapshot], problems=[])


@pytest.mark.slow
def test_a_snapshot_without_message_is_reported_and_kept(released: Path) -> None:
    lost = released / "order.forgotten.v1.json"
    lost.write_text("{}", "utf-8")

    (problem,) = schema.check(released, None)

    assert problem.startswith("order.forgotten.v1: the snapshot has no message")
    assert schema.export(released, None).problems == [problem]
    assert lost.exists()


@pytest.mark.slow
def test_a_snapshot_behind_by_an_optional_field_is_brought_up_to_date(released: Path) -> None:
    snapshot = released / "order.place.v2.json"
    _edit(snapshot, lambda document: document["$defs"]["PlaceOrder"]["properties"].pop("prepaid"))

    assert schema.check(released, None) == ["order.place.v2: the snapshot is behind: run `tributary schema export`."]
    assert schema.export(released, None).written == [snapshot]
    assert schema.check(released, None) == []


@pytest.mark.slow
def test_a_break_is_reported_and_the_release_is_left_alone(released: Path) -> None:
    snapshot = released / "order.place.v2.json"
    _edit(snapshot, lambda document: document["$defs"]["Line"]["properties"]["quantity"].update(maximum=5))
    before = snapshot.read_bytes()

    (problem,) = schema.check(released, None)

    assert problem == (
        "order.place.v2: data.lines[].quantity: the maximum is 10000000, not 5, which an old consumer does not accept "
        "from a new producer. Leave the released version as it is and make a new one."
    )
    assert schema.export(released, None) == schema.Exported(written=[], problems=[problem])
    assert snapshot.read_bytes() == before


def test_a_snapshot_that_is_not_json_is_reported(released: Path) -> None:
    (released / "order.place.v2.json").write_text("<<<<<<<", "utf-8")

    assert schema.check(released, None) == [
        "order.place.v2: the snapshot is not JSON; restore it from the version history."
    ]
