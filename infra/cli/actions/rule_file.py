"""Rule sets, markets and terms of settlement in files, JSON or YAML.

All errors are reported together, each with its place.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import typer
import yaml
from pydantic import BaseModel, ValidationError

from contracts.money import MoneyError
from contracts.rules.document import Place, RuleDocument, errors_of, place_of
from contracts.rules.terms import terms_of
from contracts.rules.v1 import DefineMarket
from contracts.rules.view import Terms
from contracts.settlement import terms as settlement
from contracts.settlement.document import TermsDocument
from infra.terminal.environment import EXIT_BREACH, EXIT_USAGE
from infra.terminal.near import did_you_mean
from infra.terminal.printing import print_line

BYTES_MAX = 1_000_000
"""A larger file would not fit into a message either."""

M = TypeVar("M", bound=BaseModel)


def read_rules(path: Path) -> tuple[RuleDocument, Terms]:
    """Return the rule set in the file and its terms; end the command if it is not valid."""
    document = read_file(path, RuleDocument)
    try:
        return document, terms_of(document)
    except MoneyError as error:
        _end([f"{path}: {error}"], EXIT_BREACH)


def read_market(path: Path) -> DefineMarket:
    """Return the market in the file; end the command if it is not valid."""
    return read_file(path, DefineMarket)


def read_terms(path: Path) -> TermsDocument:
    """Return the terms of settlement in the file; end the command if they are not valid."""
    document = read_file(path, TermsDocument)
    try:
        settlement.terms_of(document)
    except MoneyError as error:
        _end([f"{path}: {error}"], EXIT_BREACH)
    return document


def read_file(path: Path, model: type[M]) -> M:
    try:
        return model.model_validate_json(_as_json(path))
    except ValidationError as error:
        fields = _Fields(model)
        _end(
            [f"{path}: {place_of(place)}: {text}{fields.similar(place)}" for place, text in errors_of(error)],
            EXIT_BREACH,
        )


def _as_json(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
        if len(content) > BYTES_MAX:
            _end([f"{path}: it has more than {BYTES_MAX} bytes; use fewer entries by product or category."], EXIT_USAGE)
        text = content.decode("utf-8-sig")
        if not text.strip():
            _end([f"{path}: it is empty."], EXIT_BREACH)
        if path.suffix.lower() == ".json":
            parsed = json.loads(text, object_pairs_hook=_each_once)
        else:
            parsed = yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader)
        return json.dumps(parsed, default=str)
    except OSError as error:
        _end([f"{path}: {error.strerror or error}."], EXIT_USAGE)
    except UnicodeDecodeError:
        _end([f"{path}: it is not valid UTF-8; save it as UTF-8."], EXIT_BREACH)
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        _end([f"{path}: {' '.join(str(error).split())}"], EXIT_BREACH)


class _Fields:
    """The field names that a document may have at each place, from its JSON Schema."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._schema = model.model_json_schema()

    def similar(self, place: Place) -> str:
        """A suggestion for the last name of `place`, if it is unknown."""
        *parents, name = place or ("",)
        options = list(self._options(self._schema))
        for step in parents:
            inside = [o["items"] if isinstance(step, int) else o["properties"].get(step, {}) for o in options]
            options = [option for schema in inside for option in self._options(schema)]
        known = {known for option in options for known in option["properties"]}
        question = "" if name in known or not isinstance(name, str) else did_you_mean(name, known)
        return question and f".{question}"

    def _options(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The alternatives of a schema, with references resolved."""
        if reference := schema.get("$ref"):
            schema = self._schema["$defs"][reference.rpartition("/")[2]]
        alternatives = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
        for alternative in alternatives:
            yield from self._options(alternative)
        if not alternatives:
            yield {"items": {}, "properties": {}, **schema}


class _Loader(yaml.SafeLoader):
    """Plain YAML that refuses a repeated key, because one of the two values would be lost silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a field name is a list or an object; use a word", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key.value!r} appears twice; keep one of them", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} appears twice; keep one of them")
    return found


def _end(sentences: Sequence[str], code: int) -> NoReturn:
    for sentence in sentences:
        print_line(sentence, err=True)
    raise typer.Exit(code)
