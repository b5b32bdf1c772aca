"""Numbers on the command line are read as they are written, or refused with a sentence."""

from __future__ import annotations

from typing import get_args

import pytest

from contracts.settlement import view
from infra.cli.commands.settlement import Outcome
from infra.terminal.numbers import seconds
from tests.unit.command_line import CommandLine

NOT_A_NUMBER = ["1_0", "007", "١", "５", "1e3", "+1", " 1", "0x10", "1.0", ""]
COMMANDS = [
    ("ledger", "show", "{}"),
    ("identity", "create-login", "ann@example.com", "{}"),
    ("network", "preview-move", "{}"),
    ("network", "preview-move", "2", "--under", "{}"),
    ("network", "preview-move", "2", "--days", "{}"),
    ("rules", "activate", "--by", "bob", "{}"),
    ("demo", "--orders", "{}"),
    ("work", "all", "--processes", "{}"),
    ("api", "--port", "{}"),
]
WAITING = [
    ("publish", "--wait"),
    ("rules", "propose", "1", "rules.json", "--wait"),
    ("rules", "market", "market.json", "--wait"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("text", NOT_A_NUMBER)
def test_other_spellings_are_refused(tributary: CommandLine, words: tuple[str, ...], text: str) -> None:
    ended = tributary(*(word.format(text) for word in words))

    assert ended.code == 2
    assert "is not a whole number; write it in digits" in ended.err


@pytest.mark.parametrize("words", WAITING, ids=" ".join)
@pytest.mark.parametrize("text", ["1_0", "٥", "nan", "inf", "1e3", "+1", " 1", ".5", "5.", "01", "", "9" * 20])
def test_other_spellings_of_seconds_are_refused(tributary: CommandLine, words: tuple[str, ...], text: str) -> None:
    ended = tributary(*words, text)

    assert ended.code == 2
    assert "is not a number of seconds; write it in digits, such as 2 or 0.5." in ended.err


@pytest.mark.parametrize("text", ["-1", "-0.5", "86401"])
def test_seconds_out_of_range_name_the_range(tributary: CommandLine, text: str) -> None:
    ended = tributary("publish", "--wait", text)

    assert ended.code == 2
    assert "is not in the range 0 to 86400 seconds." in ended.err


@pytest.mark.parametrize(("text", "number"), [("0", 0.0), ("0.25", 0.25), ("86400", 86400.0), (15, 15)])
def test_seconds_are_read_in_digits(text: str | float, number: float) -> None:
    assert seconds(text) == number


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_negative_number_is_out_of_range(tributary: CommandLine, words: tuple[str, ...]) -> None:
    if "--" not in words[-2]:
        words = (*words[:-1], "--", words[-1])

    ended = tributary(*(word.format("-1") for word in words))

    assert ended.code == 2
    assert "is not in the range" in ended.err


def test_a_number_out_of_range_names_the_range(tributary: CommandLine) -> None:
    ended = tributary("ledger", "show", str(2**63))

    assert ended.code == 2
    assert "is not in the range 0 to 9223372036854775807" in ended.err


def test_a_word_that_no_statement_has_is_refused_and_not_an_empty_list(tributary: CommandLine) -> None:
    ended = tributary("statements", "list", "--outcome", "payd")

    assert get_args(Outcome) == get_args(view.Outcome)
    assert ended.code == 2
    assert "'payd' is not one of 'payable', 'nothing'" in ended.err
