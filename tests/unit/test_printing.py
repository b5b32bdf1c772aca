"""Text of strangers on a terminal: no character of it steers the terminal, hides, or turns text around."""

from __future__ import annotations

import ast
import io
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from contracts.operations.view import DeadLetter
from infra.cli.actions import dead_view
from infra.cli.actions.trace import print_timeline
from infra.operators.timeline import Step
from infra.terminal.printing import print_line, print_text, printable, printable_lines
from infra.terminal.screen import Grid, Screen, print_note
from tests.architecture.sources import named, nodes_of, python_files
from tests.builders import NOW

ATTACK = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\u200b\ufeff\x7f\x00\U000e0041\u2028\nforged line\rover"
"""Title, clear screen, eight-bit CSI, right-to-left, isolates, zero width, a tag character, and line ends."""


def hidden(text: str) -> list[str]:
    """The characters that must not reach a terminal."""
    return [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")]


def test_the_escapes_are_those_that_people_know() -> None:
    assert printable("\x1b[2J 茶\x07\u202e") == "\\x1b[2J 茶\\x07\\u202e"
    assert printable("a\nb\tc") == "a\\nb\\tc"


@given(st.text())
def test_no_text_keeps_a_hidden_character(text: str) -> None:
    assert hidden(printable(text)) == []
    assert "\n" not in printable(text)
    assert hidden(printable_lines(text)) == []
    assert printable(printable(text)) == printable(text)


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5))
def test_json_stays_the_same_json(value: object) -> None:
    for ascii_only in (True, False):
        text = printable_lines(json.dumps(value, indent=2, ensure_ascii=ascii_only))
        assert hidden(text) == []
        assert json.loads(text) == value


def test_a_line_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(ATTACK)
    print_line(ATTACK, err=True)
    out, err = capsys.readouterr()
    assert out == err
    assert (hidden(out), out.count("\n")) == ([], 1)


def test_tables_and_sentences_are_escaped_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = Grid("column")
    table.add_row(ATTACK)
    table.add_row("[link=https://evil.example]click[/link]")
    Screen().print(table)
    Screen().print(ATTACK, markup=False)
    print_note(ATTACK)
    print_text(ATTACK)
    out, err = capsys.readouterr()
    assert hidden(out + err) == []
    assert "[link=https://evil.example]click[/link]" in out
    assert not any(line.startswith("forged") for line in out.split("\n")[:6])


def test_styles_still_reach_a_terminal() -> None:
    class Terminal(Screen):
        def __init__(self) -> None:
            Console.__init__(self, file=io.StringIO(), force_terminal=True, color_system="standard", highlight=False)

    terminal = Terminal()
    terminal.print(f"[bold]heading[/] {ATTACK}")
    assert isinstance(terminal.file, io.StringIO)
    text = terminal.file.getvalue()
    assert text.startswith("\x1b[1mheading\x1b[0m ")
    assert hidden(text.replace("\x1b[1m", "").replace("\x1b[0m", "")) == []


def a_letter() -> DeadLetter:
    return DeadLetter(
        letter_id=ATTACK,
        worker="order_intake",
        queue=ATTACK,
        message_id=ATTACK,
        type=ATTACK,
        reason="malformed_json",
        detail=ATTACK,
        attempts=1,
        replays=0,
        encoding="utf-8",
        died_at=NOW,
        traceback=f"Traceback\n{ATTACK}",
        body=json.dumps({ATTACK: ATTACK}),
        concerns=ATTACK,
    )


def test_dead_letters_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    listed = list(dead_view.letter_lines(a_letter()))
    for line in (*listed, *dead_view.detail_lines(a_letter())):
        print_line(line)
    out = capsys.readouterr().out
    assert hidden(out) == []
    assert "pwned" in out
    assert not any(line.startswith(("forged", "Traceback")) for line in out.split("\n"))


def test_a_timeline_is_escaped() -> None:
    shown = Console(file=io.StringIO(), width=10_000)
    event = {"id": ATTACK, "type": ATTACK, "data": {"reason": ATTACK, "detail": ATTACK}}
    letter = {"letter_id": "1", "state": "discarded", "settled_by": ATTACK}
    step = Step(NOW, "order_intake", ATTACK, ATTACK, ATTACK, ATTACK, emitted=(event,), letter=letter)
    print_timeline(ATTACK, [step], shown)
    assert isinstance(shown.file, io.StringIO)
    text = shown.file.getvalue()
    assert hidden(text) == []
    assert not any(line.startswith("forged") for line in text.split("\n"))


PRINTING = ("infra/terminal/printing.py", "infra/terminal/screen.py")
OTHER = {
    "infra/local/packages.py",  # runs before any package is installed, and prints our own sentences
    "infra/rehearsal/__main__.py",  # answers its parent process in JSON
}


def test_nothing_else_prints() -> None:
    """By construction, not by remembering: every text takes the one way to the terminal."""
    found = []
    for path in python_files("infra", "api", "workers"):
        if named(path) in (*PRINTING, *OTHER):
            continue
        for node in nodes_of(path):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                streams = [*map(ast.unparse, node.args)] if called.endswith(("dump", "writelines")) else []
                if (
                    called in ("print", "typer.echo", "typer.secho", "click.echo", "traceback.print_exc")
                    or called.startswith(("sys.stdout.write", "sys.stderr.write", "rich.print"))
                    or {"sys.stdout", "sys.stderr"} & {*streams}
                ):
                    found.append(f"{named(path)}:{node.lineno} {called}")
    assert found == []


def test_the_streams_are_those_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    sys.stdout.write("before ")
    print_line("after")
    assert capsys.readouterr().out == "before after\n"
