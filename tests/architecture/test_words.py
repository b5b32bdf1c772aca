"""Names and prose use the field's words. Each finding states what to write instead."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.sources import PACKAGES, ROOT, named, python_files

_CONTENT = "name what it holds: data, fields, payload, answer, text, rows, events, requested"
IN_NAMES = {
    "told|retold|untold|said|unsaid|heard|unheard": _CONTENT,
    "whoever|somebody|nobodys?": "name the role: caller, user, sender, worker; or write no_one, anyone",
    "anew": "write again or new",
    "wish|wishes|wished|wishing": "write command or request",
    "bury|buried|buries|burying": "write dead_letter or dead_lettered",
    "deadly": "write poison",
    "reckon|reckons|reckoned|reckoning": "write calculate, count or assume",
    "so_many|of_which|for_want|in_vain": "use plain order: a number, without, unsuccessful",
    "set_back|turned?_away|to_blame": "write requeued, refuse or faulty",
    "settle|settles|settled|settling": "settlement owns this word; write finish, commit, resolve, wait_until_stable",
}
"""Words of a name, split at underscores and capitals, and what to write instead."""

STATES = {"Desk", "Board", "Shelf", "Watch"}
"""Former names of classes; the state of every worker is called State."""

RELEASED = {"SettleDeadLetter", "DeadLetterSettled", "settle_dead_letter", "settled", "settled_at", "settled_by"}
"""Names of released contracts, their fields and the rule that takes the command."""

IN_PROSE = {
    "told|said|heard": "write states, reports, receives, or name the data",
    "whoever|somebody": "name the role: the caller, a user, the sender, a worker",
    "nobody": "write no one, or name the role",
    "anew": "write again",
    "reckon(?:s|ed|ing)?": "write calculate, count or assume",
    "so many": "write the number, or many",
    "of which": "begin a second sentence",
    "for want of": "write without, or because there is no",
    "in vain": "write without success",
    "wish(?:es|ed|ing)?": "write command or request",
    "set(?:s|ting)? aside": "write dead-letter or dead-lettered",
    "turn(?:s|ed|ing)? away": "write refuse or reject",
    "bury|buried|buries": "write dead-letter or dead-lettered",
    "set back": "write requeue or requeued",
    "to blame": "write faulty",
    "deadly": "write poison",
    "(?<!tributary[ ])settle[sd]?|settling": "settlement owns this word; write finish, commit, resolve, or quote the "
    "code in backticks",
}
"""Words of docstrings, comments, product strings and Markdown, and what to write instead."""

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_NAME = [(re.compile(rf"(?:^|_)(?:{words})(?:_|$)"), instead) for words, instead in IN_NAMES.items()]
_PROSE = {f"words_{number}": instead for number, instead in enumerate(IN_PROSE.values())}
_ANY_PROSE = re.compile(
    r"(?<![\w.-])(?:{})(?![\w-]|\.\w)".format(
        "|".join(f"(?P<{name}>{words})" for name, words in zip(_PROSE, IN_PROSE, strict=True)).replace(" ", r"\s+")
    ),
    re.IGNORECASE,
)
_CODE = re.compile(r"`[^`\n]+`")


class Finding(NamedTuple):
    """A word of a file. A cached finding is read from JSON, as a list of these three."""

    line: int
    words: str
    instead: str


@lru_cache(maxsize=1)
def tokens_of(source: str) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(source).readline))


def in_names(source: str) -> Iterator[Finding]:
    """The names of a Python file that have a banned part."""
    for token in tokens_of(source):
        if token.type == tokenize.NAME:
            yield from (Finding(token.start[0], token.string, instead) for instead in in_name(token.string))


@cache
def in_name(name: str) -> tuple[str, ...]:
    """What to write instead of the banned parts of a name."""
    if name in RELEASED:
        return ()
    parts = "_".join(part.lower() for part in _PART.findall(name))
    banned = tuple(instead for word, instead in _NAME if word.search(parts))
    return ("write State", *banned) if name in STATES else banned


def in_text(text: str, first_line: int = 1) -> Iterator[Finding]:
    """The banned words of a prose text. Code in backticks is checked where it is defined."""
    prose = _CODE.sub(lambda code: " " * len(code[0]), text)
    for found in _ANY_PROSE.finditer(prose):
        line = first_line + prose.count("\n", 0, found.start())
        yield Finding(line, " ".join(found[0].split()), _PROSE[found.lastgroup or ""])


def in_comments(source: str) -> Iterator[Finding]:
    """The banned words of comments. Comments on consecutive lines are one text."""
    lines = {token.start[0]: token.string for token in tokens_of(source) if token.type == tokenize.COMMENT}
    for first in lines:
        if first - 1 in lines:
            continue
        last = first
        while last + 1 in lines:
            last += 1
        yield from in_text("\n".join(lines[line].lstrip("# ") for line in range(first, last + 1)), first)


def in_strings(source: str, *, docstrings_only: bool) -> Iterator[Finding]:
    """The banned words of docstrings, or of all strings. A string without a space is a code or a key, not prose."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or " " not in node.value:
            continue
        if not docstrings_only or id(node) in docstrings:
            yield from in_text(node.value, node.lineno)


def in_python(source: str, *, is_product: bool) -> Iterator[Finding]:
    yield from in_names(source)
    yield from in_comments(source)
    yield from in_strings(source, docstrings_only=not is_product)


def markdown_files() -> list[Path]:
    """The English documents."""
    found = [path for folder in (*PACKAGES, "docs", "tests") for path in (ROOT / folder).rglob("*.md")]
    return sorted(path for path in [*ROOT.glob("*.md"), *found] if not path.name.endswith(".zh-CN.md"))


def in_file(path: Path) -> list[Finding]:
    source = path.read_text("utf-8")
    if path.suffix == ".md":
        return sorted(set(in_text(source)))
    return sorted(set(in_python(source, is_product=path.relative_to(ROOT).parts[0] in PACKAGES)))


class Known:
    """The findings of unchanged files by unchanged rules, kept by pytest between runs: reading all files takes long."""

    def __init__(self, cache: pytest.Cache | None) -> None:
        self._cache = cache
        self._former = cache.get(self._key(), {}) if cache else {}
        self._found: dict[str, list[Finding]] = {}

    def _key(self) -> str:
        return f"words/{sha256(Path(__file__).read_bytes()).hexdigest()}"

    def of(self, path: Path) -> list[Finding]:
        key = f"{named(path)} {sha256(path.read_bytes()).hexdigest()}"
        former = self._former.get(key)
        self._found[key] = in_file(path) if former is None else [Finding(*finding) for finding in former]
        return self._found[key]

    def keep(self) -> None:
        if self._cache:
            self._cache.set(self._key(), self._found)


def report(known: Known) -> list[str]:
    """Every finding of the repository as `file:line words: advice`, without those of settlement about its own word."""
    return [
        f"{named(path)}:{finding.line} {finding.words}: {finding.instead}"
        for path in [*python_files(*PACKAGES, "tests"), *markdown_files()]
        for finding in known.of(path)
        if not ("settlement" in named(path) and "settl" in finding.words.lower())
    ]


def test_names_and_prose_use_the_words_of_the_field(pytestconfig: pytest.Config) -> None:
    known = Known(getattr(pytestconfig, "cache", None))
    findings = report(known)
    known.keep()
    if findings:
        pytest.fail(f"replace {len(findings)} words:\n" + "\n".join(findings), pytrace=False)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("told = 1", ["told"]),
        ("def test_the_last_is_told(): ...", ["test_the_last_is_told"]),
        ("def f(*, said_by): ...", ["said_by"]),
        ("class TagWish: ...", ["TagWish"]),
        ("class SetBack: ...", ["SetBack"]),
        ("def test_a_faulty_message_is_to_blame(): ...", ["test_a_faulty_message_is_to_blame"]),
        ("class Desk: ...", ["Desk"]),
        ("SETTLE_S = 1", ["SETTLE_S"]),
        ("collection.watch(); watchdog = 1; whosoever = 2; saidi = 3", []),
        ("SettleDeadLetter(settled_by=1); settlement = 2", []),
    ],
)
def test_a_banned_name_is_found(source: str, words: list[str]) -> None:
    assert [finding.words for finding in in_names(source)] == words


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("# It is set\n# aside.\nx = 1", ["set aside"]),
        ("x = 1  # nobody\n\n\n# Whoever asks", ["nobody", "Whoever"]),
        ("# `settled` and dead-letter.settle are released\nx = 1", []),
    ],
)
def test_a_banned_word_in_a_comment_is_found(source: str, words: list[str]) -> None:
    assert [finding.words for finding in in_comments(source)] == words


@pytest.mark.parametrize(
    ("source", "in_docstrings", "in_all"),
    [
        ('"""What was\n\nsaid."""', [(3, "said")], [(3, "said")]),
        ("raise ValueError('Nobody ' f'is {x} to blame')", [], [(1, "Nobody"), (1, "to blame")]),
        ("x = 1\n'''Of which there are two.'''", [(2, "Of which")], [(2, "Of which")]),
        ("x = 'said'", [], []),
    ],
)
def test_a_banned_word_in_a_string_is_found(
    source: str, in_docstrings: list[tuple[int, str]], in_all: list[tuple[int, str]]
) -> None:
    docstrings = in_strings(source, docstrings_only=True)
    strings = in_strings(source, docstrings_only=False)

    assert sorted((finding.line, finding.words) for finding in docstrings) == in_docstrings
    assert sorted((finding.line, finding.words) for finding in strings) == in_all


def test_a_banned_word_in_markdown_is_found() -> None:
    text = "Whoever asks\n\n```sh\nrun  # it is buried\n```\n`told` and **set\naside**"

    assert [(finding.line, finding.words) for finding in in_text(text)] == [
        (1, "Whoever"),
        (4, "buried"),
        (6, "set aside"),
    ]
