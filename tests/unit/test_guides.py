"""Code that a guide quotes is in the file that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUOTED = [
    (guide.name, path, lines)
    for guide in sorted((ROOT / "docs/guides").glob("*.md"))
    for path, lines in re.findall(
        r"^```python\n# (\S+\.py)\n(.*?)^```$", guide.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
]


@pytest.mark.parametrize(("guide", "path", "lines"), QUOTED)
def test_quoted_lines_are_in_the_file_in_the_same_order(guide: str, path: str, lines: str) -> None:
    """`...` replaces omitted lines."""
    quoted = [line for line in lines.splitlines() if line.strip() != "..."]
    rest = iter((ROOT / path).read_text("utf-8").splitlines())

    assert [line for line in quoted if line not in rest] == []


def test_the_guides_quote_code() -> None:
    assert "add-an-endpoint.md" in {guide for guide, _, _ in QUOTED}
