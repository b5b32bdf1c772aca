"""Whole numbers on the command line are read as they are written, or refused with a sentence."""

from __future__ import annotations

import pytest

from tests.unit.command_line import CommandLine

NOT_A_NUMBER = ["1_0", "007", "١", "５", "1e3", "+1", " 1", "0x10", "1.0", "", "-1"]
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


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("text", NOT_A_NUMBER)
def test_other_spellings_are_refused(tributary: CommandLine, words: tuple[str, ...], text: str) -> None:
    if text == "-1" and "--" not in words[-2]:
        words = (*words[:-1], "--", words[-1])

    ended = tributary(*(word.format(text) for word in words))

    assert ended.code == 2
    assert "is not a whole number; write it in digits" in ended.err


def test_a_number_out_of_range_names_the_range(tributary: CommandLine) -> None:
    ended = tributary("ledger", "show", str(2**63))

    assert ended.code == 2
    assert "is not in the range 0 to 9223372036854775807" in ended.err
