"""Irreversible commands ask first, and need --yes without a terminal. Invalid arguments are refused early."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
import typer

from api.identity.reasons import REASONS
from infra.terminal.environment import agree
from tests.unit.command_line import LEAVES, CommandLine, Words

DESTRUCTIVE: dict[Words, tuple[Words, ...]] = {
    ("down",): (("--remove-data",),),
    ("dead", "discard"): (("--all",), ("--queue", "x"), ("--reason", "x"), ("--all", "--json")),
    ("ledger", "rebuild"): ((), ("--json",)),
    ("identity", "rotate-keys"): (("--at-once",),),
    ("identity", "disable-shop"): (("shop-1",), ("shop-1", "--json")),
    ("audit", "seal"): ((),),
    ("keys", "erase"): (("42", "--by", "ann", "--second", "wei"),),
    ("settle", "close"): (("2026-10",), ("2026-10", "--distributor", "42", "--json")),
}
"""Commands with the options that make them destructive."""

ASKS_LATER = {("demo",)}
"""It asks about given servers, after it has found them empty."""

HARMLESS = {
    ("up",), ("status",), ("setup",), ("work",), ("api",), ("trace",), ("explain",), ("verify",),
    ("publish",), ("topology",), ("doctor",), ("ledger", "show"), ("dead", "list"), ("dead", "show"),
    ("ledger", "hand-over"),
    ("dead", "replay"),
    ("rules", "schema"), ("rules", "check"), ("rules", "explain"), ("rules", "list"), ("rules", "show"),
    ("rules", "propose"), ("rules", "approve"), ("rules", "activate"), ("rules", "retire"), ("rules", "market"),
    ("rules", "backtest"), ("network", "preview-move"), ("schema", "check"), ("schema", "export"),
    ("identity", "create-admin"), ("identity", "create-login"), ("identity", "create-shop"),
    ("identity", "create-client"), ("audit", "list"), ("audit", "verify"),
    ("settle", "preview"), ("settle", "terms"), ("settle", "propose-terms"), ("settle", "approve-terms"),
    ("settle", "adjust"), ("settle", "approve-adjustment"), ("statements", "list"), ("statements", "show"),
    ("payees", "show"), ("payees", "set"), ("payees", "remove"), ("payees", "allow-duplicate"), ("payees", "waive"),
    ("payees", "identity"), ("payees", "decide-identity"),
    ("keys", "create"), ("keys", "list"), ("keys", "rotate-master"), ("keys", "rotate"),
    ("payouts", "propose"), ("payouts", "show"), ("payouts", "approve"), ("payouts", "reject"), ("payouts", "list"),
    ("payouts", "hold"), ("payouts", "release"), ("payouts", "resolve"), ("payouts", "confirm"),
    ("payouts", "reconcile"), ("payouts", "export"),
    ("fx", "publish"), ("fx", "approve"), ("fx", "reject"), ("fx", "show"),
    ("corridors", "list"), ("corridors", "define"), ("corridors", "approve"), ("corridors", "close"),
    ("alerts", "list"), ("alerts", "routes"), ("alerts", "define-route"), ("alerts", "remove-route"),
    ("alerts", "test"),
    ("alerts", "acknowledge"), ("alerts", "silence"), ("alerts", "end-silence"), ("alerts", "silences"),
    ("alerts", "notifications"), ("webhooks", "list"), ("webhooks", "attempts"), ("webhooks", "redeliver"),
    ("webhooks", "enable"), ("webhooks", "disable"), ("webhooks", "remove"),
}  # fmt: skip
"""Commands that only read, only add, send a message that another person approves, or change what can be undone."""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_every_command_is_listed_as_destructive_or_harmless() -> None:
    assert set(LEAVES) == set(DESTRUCTIVE) | HARMLESS | ASKS_LATER


def test_commands_that_ask_have_the_option_yes() -> None:
    with_yes = {words for words, command in LEAVES.items() if any(param.name == "yes" for param in command.params)}

    assert with_yes == set(DESTRUCTIVE) | ASKS_LATER


CASES = [(*words, *options) for words, variants in DESTRUCTIVE.items() for options in variants]


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_a_destructive_command_without_a_terminal_is_refused(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, words: Words
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    ended = tributary(*words)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert ended.err.endswith("; add --yes to confirm.\n")


@pytest.mark.parametrize("words", CASES, ids=" ".join)
def test_the_answer_no_changes_nothing(tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, words: Words) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))

    ended = tributary(*words)

    assert ended.code == 2
    assert ended.err.endswith("Nothing was changed.\n")


@pytest.mark.parametrize("words", CASES, ids=" ".join)
@pytest.mark.parametrize("consent", ["y\n", "--yes"])
def test_a_confirmed_command_is_executed(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, words: Words, consent: str
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(consent))

    ended = tributary(*words, *(["--yes"] if consent == "--yes" else []))

    # There are no servers here, so a command that needs them ends when it looks for them.
    assert ended.code == (0 if words[0] == "down" else 3)
    assert "No process of the stack" in ended.err or "There is no stack 'default' here" in ended.err
    assert ("Continue?" in ended.err) == (consent != "--yes")


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
def test_a_command_that_destroys_nothing_does_not_ask(
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
    ("words", "expected"),
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
def test_an_invalid_argument_is_refused_before_a_server_is_used(
    tributary: CommandLine, words: Words, expected: str
) -> None:
    ended = tributary("identity", *words)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    if words[:2] != ("create-login", "li.na@example.com"):
        assert expected in ended.err


@pytest.mark.parametrize(
    "password", ["", "short", "ann@example.com", "aaaaaaaaaaaaaaaa", "x1y2" * 33, "Password1234!", "2026112920261129"]
)
def test_a_weak_password_is_refused_before_a_server_is_used(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    for words in (("create-admin", "ann@example.com"), ("create-login", "ann@example.com", "42")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(password + "\n"))
        ended = tributary("identity", *words, "--password-stdin")
        assert (ended.code, ended.out) == (2, "")
        assert ended.err == f"{REASONS['weak_password'].en}\n"


def test_the_document_lists_every_command_that_asks() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")

    listed = re.findall(r"^\| `tributary ([a-z -]+?)(?: --[a-z-]+)?`", text, re.MULTILINE)
    assert {tuple(words.split()) for words in listed} == set(DESTRUCTIVE) | ASKS_LATER
