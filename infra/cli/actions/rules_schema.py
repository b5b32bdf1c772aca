"""`tributary rules schema`: the JSON Schema of a rule set, without the imports of the other commands."""

from __future__ import annotations

from pathlib import Path

from contracts.rules import json_schema
from infra.terminal.environment import write_file
from infra.terminal.printing import print_text


def schema(output: Path | None) -> None:
    if output is None:
        print_text(json_schema.text(), end="")
    else:
        write_file(output, json_schema.text())
