"""The published JSON Schema (draft 2020-12) of the rule document, for editors and other programs."""

from __future__ import annotations

from pathlib import Path

from contracts.rules.document import RuleDocument
from contracts.wire.json_schema import DIALECT, to_text

FILE = Path(__file__).parents[2] / "docs" / "rules.schema.json"


def text() -> str:
    """The schema as published. Checks across fields, such as that of the pool, are not in it."""
    schema = RuleDocument.model_json_schema(mode="validation")
    return to_text({**schema, "$schema": DIALECT, "title": "Tributary rule set"})
