"""What cannot be taken back is asked about; without a terminal it needs --yes. What is given is looked at first."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
import typer

from infra.terminal.environment import agree
from tests.unit.command_line import LEAVES, CommandLine, Words

DESTRUCTIVE: dict[Words, tuple[Words, ...]] = {
    ("down",): (("--remove-data",),),
    ("dead", "discard"): (("--all",), ("--queue", "x"), ("--reason", "x"), ("--all", "--json")),
    ("ledger", "rebuild"): ((), ("--json",)),
    ("identity", "rotate-keys"): (("--at-once",),),
}
"""Commands with what makes them destroy something."""

ASKS_ELSEWHERE = {("demo",)}
"""It asks about servers that were given, once it has found them empty."""

HARMLESS = {
    ("up",), ("status",), ("setup",), ("work",), ("api",), ("trace",), ("explain",), ("verify",),
    ("publish",), ("topology",), ("doctor",), ("ledger", "show"), ("dead", "list"), ("dead", "show"),
    ("dead", "replay"),
    ("rules", "schema"), ("rules", "check"), ("rules", "explain"), ("rules", "list"), ("rules", "show"),
    ("rules", "propose"), ("rules", "approve"), ("rules", "activate"), ("rules", "retire"), ("rules", "market"),
    ("rules", "backtest"), ("network", "preview-move"), ("schema", "check"), ("schema", "export"),
    ("identity", "create-admin"), ("identity", "create-login"), ("identity", "create-shop"),
    ("identity", "create-client"), ("audit", "verify"),
}  # fmt: skip
"""Commands that only read, only add, or are a message that another person approves."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_of_every_command_it_is_decided_whether_it_destroys() -> None:
    assert set(LEAVES) == set(DESTRUCTIVE) | HARMLESS | ASKS_ELSEWHERE


def test_those_that_ask_take_yes() -> None:
    asking = {words for words, command in LEAVES.items() if any(param.name == "yes" for param in command.params)}

    assert asking == set(DESTRUCTIVE) | ASKS_ELSEWHERE


CASES = [(*words, *options) for words, ways in DESTRUCTIVE.items() for options in ways]


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_without_a_terminal_it_refuses_with_a_sentence(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, words: Words
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    ended = tributary(*words)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert ended.err.endswith("; add --yes to confirm.\n")


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_a_person_who_says_no_changes_nothing(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, words: Words
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))

    ended = tributary(*words)

    assert ended.code == 2
    assert ended.err.endswith("Nothing was changed.\n")


@pytest.mark.parametrize("words", CASES, ids=" ".join)
@pytest.mark.parametrize("agreed", ["y\n", "--yes"])
def test_a_person_who_agrees_gets_what_was_asked_for(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, words: Words, agreed: str
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(agreed))

    ended = tributary(*words, *(["--yes"] if agreed == "--yes" else []))

    # There are no servers here, so whatever needs them comes as far as looking for them.
    assert ended.code == (0 if words[0] == "down" else 3)
    assert "No process of the stack" in ended.err or "There is no stack 'default' here" in ended.err
    assert ("Continue?" in ended.err) == (agreed != "--yes")


@pytest.mark.parametrize(
    "words",
    [
        ("down",),
        ("dead", "discard", "5f0c2a"),
        ("dead", "discard", "--all", "--dry-run"),
        ("ledger", "rebuild", "--check"),
        ("identity", "rotate-keys"),
    ],
    ids=" ".join,
)
def test_what_destroys_nothing_asks_nothing(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, words: Words
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    ended = tributary(*words)

    assert "--yes" not in ended.err
    assert "No process of the stack" in ended.err or "There is no stack 'default' here" in ended.err


def test_yes_needs_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    agree("delete it", yes=True)
    with pytest.raises(typer.Exit):
        agree("delete it", yes=False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("create-admin", ""), "no e-mail address"),
        (("create-admin", "ann"), "no e-mail address"),
        (("create-admin", "ann@"), "no e-mail address"),
        (("create-admin", "a b@example.com"), "no e-mail address"),
        (("create-admin", "ann\x00@example.com"), "no e-mail address"),
        (("create-admin", "ann\udcff@example.com"), "UTF-8"),
        (("create-admin", "a" * 65 + "@example.com"), "no e-mail address"),
        (("create-login", "li.na", "42"), "no e-mail address"),
        (("create-login", "li.na@example.com", "0"), "42"),
        (("create-shop", ""), "no shop id"),
        (("create-shop", " "), "no shop id"),
        (("create-shop", "corner shop"), "no shop id"),
        (("create-shop", "corner\n"), "no shop id"),
        (("create-shop", "s" * 65), "no shop id"),
        (("create-shop", "街角"), "no shop id"),
        (("create-shop", "\udcff"), "UTF-8"),
        (("create-client", "", "https://a.example/cb"), "no client id"),
        (("create-client", "my app", "https://a.example/cb"), "no client id"),
        (("create-client", "app", "https://a.example/cb", "--name", "  "), "no name"),
        (("create-client", "app", "https://a.example/cb", "--name", "x" * 201), "no name"),
        (("create-client", "app", "http://a.example/cb"), "cannot be redirected to"),
        (("create-client", "app", ""), "cannot be redirected to"),
        (("create-client", "shop.corner", "https://a.example/cb"), "is taken"),
        (("create-client", "tributary", "https://a.example/cb"), "is taken"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_right_is_refused_before_a_server_is_asked(
    tributary: CommandLine, words: Words, says: str
) -> None:
    ended = tributary("identity", *words)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    if words[:2] != ("create-login", "li.na@example.com"):
        assert says in ended.err


@pytest.mark.parametrize("password", ["", "short", "ann@example.com", "aaaaaaaaaaaaaaaa", "x1y2" * 33])
def test_a_weak_password_is_refused_before_a_server_is_asked(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    for words in (("create-admin", "ann@example.com"), ("create-login", "ann@example.com", "42")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))
        ended = tributary("identity", *words, "--password-stdin")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == "Choose a password of 12 to 128 characters that is not made of your address.\n"


def test_the_document_lists_all_that_ask() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")

    listed = re.findall(r"^\| `tributary ([a-z -]+?)(?: --[a-z-]+)?`", text, re.MULTILINE)
    assert {tuple(words.split()) for words in listed} == set(DESTRUCTIVE) | ASKS_ELSEWHERE
