"""The blocks of both READMEs are the same, and all of them can be pasted twice, which `make readme` does in minutes.

In every run of the tests `test_demo.py` pastes them once, with its own demo.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from infra import local
from tests.connected.pasting import ROOT, a_newcomer, blocks_of, paste_all, shell, without_comments

_BLOCK = "```sh\n"


def test_both_languages_have_the_same_blocks() -> None:
    english, chinese = (
        [[_untranslated(line) for line in without_comments(block)] for block in blocks_of(name)]
        for name in ("README.md", "README.zh-CN.md")
    )

    assert len(english) > 10
    assert chinese == english


def _untranslated(line: str) -> str:
    """Without a product's name and the language of an answer, which readers of each language have in their own."""
    return re.sub(r'"product_id": 7, "name": "[^"]*"| --lang zh', "", line)


@pytest.mark.skipif("README_TWICE" not in os.environ, reason="takes minutes: make readme")
async def test_every_document_can_be_pasted_twice(tmp_path: Path) -> None:
    """The second time on what the first has left: servers with data, a login, rules in force."""
    others = ("docs/commissions.md", "docs/examples/README.md")
    assert {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md") if _BLOCK in path.read_text()} == {
        *others
    }
    home = tmp_path / "home"
    environment = a_newcomer(home, tmp_path / "bin", demo='make "$@" ORDERS=20')
    try:
        async with shell(environment) as bash:
            for _ in range(2):
                await paste_all(bash, "README.md", also=others)
    finally:
        for name in local.running_stacks(home):
            local.down(name, home=home, remove_data=True)
