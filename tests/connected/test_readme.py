"""The blocks of both languages are the same, and all of them can be pasted twice, which `make readme` does in minutes.

In every run of the tests `test_demo.py` pastes them once, with its own demo.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from infra import local
from tests.connected.pasting import ROOT, TUTORIAL, blocks_of, new_user_environment, paste_all, shell, without_comments

_CHINESE = tuple(name.replace(".md", ".zh-CN.md") for name in TUTORIAL)
_OTHERS = ("docs/commissions.md", "docs/examples/README.md")


def test_both_languages_have_the_same_blocks() -> None:
    english, chinese = (
        [[_untranslated(line) for line in without_comments(block)] for block in blocks_of(*documents)]
        for documents in (TUTORIAL, _CHINESE)
    )

    assert len(english) > 10
    assert chinese == english


def test_every_document_with_blocks_is_pasted() -> None:
    """Apart from the guides, whose blocks change the tree."""
    documents = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md")}
    with_blocks = {name for name in documents if not name.startswith("docs/guides/") and blocks_of(name)}

    assert with_blocks == {*TUTORIAL, *_CHINESE, *_OTHERS} - {"README.md", "README.zh-CN.md"}


def _untranslated(line: str) -> str:
    """Without a product's name and the language of an answer, which differ between the languages."""
    return re.sub(r'"product_id": 7, "name": "[^"]*"| --lang zh', "", line)


@pytest.mark.skipif("README_TWICE" not in os.environ, reason="takes minutes: make readme")
async def test_every_document_can_be_pasted_twice(tmp_path: Path) -> None:
    """The second time on the state after the first: servers with data, a login, rules in force."""
    home = tmp_path / "home"
    environment = new_user_environment(home, tmp_path / "bin", demo='make "$@" ORDERS=20')
    try:
        async with shell(environment) as bash:
            for _ in range(2):
                await paste_all(bash, *TUTORIAL, also=_OTHERS)
    finally:
        for name in local.running_stacks(home):
            local.down(name, home=home, remove_data=True)
