"""The help of every command, the version, and the few imports of commands that only print."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.unit.command_line import ALL, LEAVES, CommandLine, Words, every_command, every_leaf

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "rules-two-levels.yaml"

HEAVY = """
    aio_pika aiormq argon2 bson celery cryptography fastapi faststream httptools jwt motor numpy prometheus_client
    pyarrow pydantic_settings pymongo redis starlette structlog uvicorn uvloop yaml
"""
"""Packages that are slow to import: a command that only prints may take half a second. Pydantic is not listed, because
Typer uses it for options; its models in `contracts` are slower than itself.
"""


@pytest.mark.slow
@every_command
def test_h_is_the_same_as_help(tributary: CommandLine, words: Words) -> None:
    long, short = tributary(*words, "--help"), tributary(*words, "-h")

    assert (long.code, long.err) == (0, "")
    assert long.out.startswith(f"Usage: {' '.join(['tributary', *words])} ")
    assert short == long


@every_command
def test_every_help_has_examples_that_are_valid_commands(tributary: CommandLine, words: Words) -> None:
    examples = examples_of(tributary(*words, "--help").out)

    assert examples
    for example in examples:
        typed = parsed(example)
        assert typed[: len(words)] == words, f"{example} is an example of another command"
        assert typed in LEAVES


def test_an_example_with_an_unknown_option_is_detected() -> None:
    with pytest.raises(Exception, match="No such option: --stak"):
        parsed("tributary up --stak trial")


def examples_of(text: str) -> list[str]:
    """The lines below `Examples:`, up to an empty one."""
    return re.findall(r"^    (?:export \$\()?(tributary [^)\n]*)", text.partition("Examples:\n")[2], re.MULTILINE)


def parsed(example: str) -> Words:
    """The command that the line would run, with its options and arguments checked."""
    program, *rest = shlex.split(example)
    assert program == "tributary"
    words: Words = ()
    while (*words, *rest[:1]) in ALL and rest:
        words, rest = (*words, rest[0]), rest[1:]
    if rest != ["--help"]:
        command: Any = ALL[words]
        command.make_context(words[-1] if words else program, list(rest))
    return words


@every_command
def test_the_list_of_a_group_has_the_whole_first_sentence_of_each_command(tributary: CommandLine, words: Words) -> None:
    command = ALL[words]
    if words:
        listed = " ".join(tributary(*words[:-1], "--help").out.split())
        assert f" {words[-1]} {' '.join(command.short_help.split())} " in listed
        assert "..." not in command.short_help


def test_the_version_is_that_of_the_package(tributary: CommandLine) -> None:
    ended = tributary("--version")

    assert (ended.code, ended.out) == (0, f"tributary {version('tributary')}\n")


def imported_by(*lines: Words, home: Path) -> set[str]:
    """The modules that are loaded in a new process after these commands."""
    program = (
        "import io, sys\nfrom contextlib import redirect_stdout\nfrom infra.cli.app import main\n"
        f"for words in {lines!r}:\n"
        "    sys.argv = ['tributary', *words]\n"
        "    try:\n        with redirect_stdout(io.StringIO()): main()\n"
        "    except SystemExit as ended: assert ended.code == 0, words\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
        "print(*sorted(name for name in sys.modules if name.startswith('contracts.')))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TRIBUTARY_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    return set(ended.stdout.split())


@pytest.mark.slow
def test_help_does_not_import_the_actions_of_commands(tmp_path: Path) -> None:
    loaded = imported_by(*((*words, "--help") for words in ALL), ("--version",), home=tmp_path)

    assert loaded & set(HEAVY.split()) == set()
    assert "rich" not in loaded
    assert {name for name in loaded if name.startswith("contracts.")} == {
        "contracts.explanation",
        "contracts.explanation.rule_phrases",
        "contracts.numbers",
    }


@pytest.mark.slow
def test_the_status_of_a_stopped_stack_loads_no_driver(tmp_path: Path) -> None:
    loaded = imported_by(("status",), ("status", "--json"), home=tmp_path)

    assert loaded & set(HEAVY.split()) == set()


@pytest.mark.slow
def test_the_schema_of_rules_is_printed_without_a_driver(tmp_path: Path) -> None:
    loaded = imported_by(("rules", "schema"), home=tmp_path)

    assert loaded & {*HEAVY.split(), "rich"} == set()
    assert "contracts.wire.catalogue" not in loaded


@pytest.mark.slow
def test_the_topology_is_shown_without_a_driver(tmp_path: Path) -> None:
    loaded = imported_by(("topology",), ("topology", "--json"), home=tmp_path)

    assert loaded & set(HEAVY.split()) <= {"pydantic_settings"}


@pytest.mark.slow
def test_a_command_that_needs_a_heavy_package_loads_it(tmp_path: Path) -> None:
    loaded = imported_by(("rules", "schema"), ("rules", "check", str(EXAMPLE)), home=tmp_path)

    assert {"yaml", "contracts.rules.document"} <= loaded


@pytest.mark.slow
@every_leaf
def test_similar_names_of_options_are_suggested(tributary: CommandLine, words: Words) -> None:
    options = [name for param in ALL[words].params for name in param.opts if name.startswith("--") and len(name) > 5]
    for option in [*options, "--help"]:
        typo = option[:-2] + option[-1]
        if typo in options:
            continue
        ended = tributary(*words, typo)
        assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
        assert re.search(rf"Did you mean .*{option}", ended.err)


@every_command
def test_similar_names_of_commands_are_suggested(tributary: CommandLine, words: Words) -> None:
    if words:
        typo = words[-1] + "x"
        ended = tributary(*words[:-1], typo)
        assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
        assert re.search(f"Did you mean .*'{words[-1]}'", ended.err)
