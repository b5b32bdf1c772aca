"""Every `tributary` command in a document exists with its options, and so does every file that it names."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cli.app import app
from tests.unit.command_line import built

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "docs/examples", "docs/decisions", "docs/guides", "contracts", "tests/contracts")
    for path in (ROOT / folder).glob("*.md")
)
_BLOCK = re.compile(r"^```(?:sh)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
REMOVED = {"bench"}
"""Commands of earlier releases, which documents may name as such."""

_CALL = re.compile(r"(?:^|[\s(])(?:\.venv/bin/)?tributary ([a-z][^\n|;&)>`]*)")
_INLINE = re.compile(r"`(?:\.venv/bin/)?tributary ([a-z][a-z -]*?)(?: [A-Z<$\"'].*?)?`", re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH = re.compile(r"`((?:\.ci|api|contracts|docs|infra|tests|workers)/[^`\s]*)`")
_INTERPRETER = re.compile(r"^(?:.* )?python3? (?!-c|-m json\.tool).*$", re.MULTILINE)


def commands_of(block: str) -> Iterator[list[str]]:
    """The words after `tributary` of each call; a number or a date replaces the shell's variables."""
    block = re.sub(r"(^|\s)#.*", "", block, flags=re.MULTILINE).replace("\\\n", " ")
    block = re.sub(r'"\$\(date[^)]*\)"|"\$(?:from|to)"', "2026-10-01", block)
    block = re.sub(r"\$draft", "docs/examples/rules-fixed.json", block)
    for call in _CALL.findall(re.sub(r'"?\$[A-Za-z_1]+"?', "1", block)):
        yield shlex.split(call)


def blocks() -> list[tuple[str, list[str]]]:
    return [
        (document, words)
        for document in DOCUMENTS
        for block in _BLOCK.findall((ROOT / document).read_text("utf-8"))
        for words in commands_of(block)
    ]


def named_by(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the first words name, and the words after it."""
    command = built(app)
    for number, word in enumerate(words):
        if not hasattr(command, "commands") or word.startswith("-"):
            return command, words[number:]
        assert word in command.commands, " ".join(words)
        command = command.commands[word]
    return command, []


@pytest.mark.parametrize(("document", "words"), blocks(), ids=lambda value: value if isinstance(value, str) else None)
def test_a_command_in_a_block_is_valid(document: str, words: list[str]) -> None:
    command, options = named_by(words)
    command.make_context("tributary", options)
    named = [word for word in words if word.endswith((".json", ".jsonl", ".yaml"))]
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_command_in_the_text_exists(document: str) -> None:
    for call in _INLINE.findall((ROOT / document).read_text("utf-8")):
        words = call.split()
        assert words[0] in REMOVED or named_by(words)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_block_uses_the_interpreter_with_the_packages(document: str) -> None:
    found = _BLOCK.findall((ROOT / document).read_text("utf-8"))

    assert [line for block in found for line in _INTERPRETER.findall(block)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_file_and_the_heading_of_a_link_exist(document: str) -> None:
    for name, anchor in _LINK.findall((ROOT / document).read_text("utf-8")):
        target = (ROOT / document).parent / name if name else ROOT / document
        assert target.exists(), name
        assert not anchor or anchor in anchors_of(target), f"{name}#{anchor}"


def anchors_of(path: Path) -> set[str]:
    """The anchors that code hosts give to the headings of a document."""
    headings = _HEADING.findall(path.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_path_in_the_text_exists(document: str) -> None:
    """`*` and `<worker>` match any name. A file that a guide adds is in the template that tests it, or is the rail
    `giro`, which its test writes from the guide.
    """
    paths = [
        re.sub("<[a-z_]+>", "*", path.removesuffix("/")) for path in _PATH.findall((ROOT / document).read_text("utf-8"))
    ]
    roots = (ROOT, ROOT / "tests" / "guides" / "template")

    missing = [path for path in paths if not any(list(root.glob(path)) for root in roots)]
    assert [path for path in missing if not path.endswith("giro.py")] == []


def test_the_documents_contain_commands() -> None:
    documents = {document for document, _ in blocks()}

    tutorials = {"docs/tutorial.md", "docs/tutorial.zh-CN.md"}
    assert tutorials | {"docs/commissions.md", "docs/examples/README.md"} <= documents
    assert len(blocks()) > 60
