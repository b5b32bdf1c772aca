"""How commands end: always with one sentence and an exit code; with a traceback only if requested."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from infra.cli.ending import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED
from infra.local import record
from infra.terminal.environment import EXIT_BREACH, EXIT_ENVIRONMENT, EXIT_USAGE, refuse
from tests.unit.command_line import CommandLine

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "rules-two-levels.yaml"
NOWHERE = {
    "RABBITMQ_URL": "amqp://127.0.0.1:1",
    "MONGODB_URL": "mongodb://127.0.0.1:1",
    "REDIS_URL": "redis://127.0.0.1:1",
}


def failing_with(error: BaseException) -> typer.Typer:
    failing = typer.Typer(rich_markup_mode=None)

    @failing.command()
    def fail() -> None:
        raise error

    return failing


@pytest.mark.parametrize(
    "error",
    [RuntimeError("two\n  lines"), KeyError("shop"), OSError("odd"), AssertionError()],
    ids=lambda error: type(error).__name__,
)
def test_an_unexpected_failure_is_one_line_that_names_the_file_with_the_traceback(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    ended = tributary(of=failing_with(error))

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (3, "", 1)
    assert type(error).__name__ in ended.err
    [log] = tmp_path.glob("tributary-error-*.log")
    assert str(log) in ended.err
    assert log.read_text().startswith("Traceback (most recent call last):")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (IsADirectoryError(21, "Is a directory", "/data"), "/data: Is a directory."),
        (PermissionError(13, "Permission denied", b"/data"), "/data: Permission denied."),
        (OSError(28, "No space left on device"), "The output cannot be written: No space left on device."),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), "The input is not valid UTF-8"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_of_the_system_is_a_sentence_without_a_traceback(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, sentence: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    ended = tributary(of=failing_with(error))

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2 if "UTF-8" in sentence else 3, "", 1)
    assert ended.err.startswith(sentence)
    assert list(tmp_path.glob("tributary-error-*.log")) == []


def test_a_worker_crash_is_logged_and_ends_with_an_exit_code_that_allows_a_restart(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(*_: object) -> None:
        raise RuntimeError("odd")

    for name, address in NOWHERE.items():
        monkeypatch.setenv(name, address)
    monkeypatch.setattr("infra.processes.process.run", run)

    ended = tributary("work", "order_intake")

    [line] = ended.err.splitlines()
    assert (ended.code, ended.out, json.loads(line)["event"]) == (1, "", "crashed")
    assert "odd" in line


def test_debugging_shows_the_traceback(tributary: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIBUTARY_DEBUG", "1")

    ended = tributary(of=failing_with(RuntimeError("odd")))

    assert (ended.code, ended.err.splitlines()[-1]) == (3, "RuntimeError: odd")
    assert "╭" not in ended.err


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (BrokenPipeError(), 141), (typer.Exit(1), 1), (typer.Exit(3), 3)],
    ids=lambda value: type(value).__name__,
)
def test_interrupts_and_exits_print_nothing(
    monkeypatch: pytest.MonkeyPatch, tributary: CommandLine, error: BaseException, code: int
) -> None:
    # Leave the standard output of the tests alone.
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)

    ended = tributary(of=failing_with(error))

    assert (ended.code, ended.out, ended.err) == (code, "", "")


def test_an_interrupted_question_changes_nothing(tributary: CommandLine) -> None:
    ended = tributary(of=failing_with(typer.Abort()))

    assert (ended.code, ended.out, ended.err.strip()) == (130, "", "Nothing was changed.")


def test_a_refusal_ends_with_the_code_of_wrong_usage() -> None:
    with pytest.raises(typer.Exit) as ended:
        refuse("Name one.")

    assert ended.value.exit_code == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("trace",), "Missing argument 'ORDER'."),
        (("up", "extra"), "Got unexpected extra argument"),
        (("work", "--processes", "many"), "--processes"),
        (("dead", "list", "--state", "waitin"), "'waiting'"),
        (("rules", "backtest", "x", "--from", "yesterday", "--to", "2026-01-01"), "yesterday"),
        (("ledger", "show", "ann"), "DISTRIBUTOR"),
        (("status", "--stack"), "requires an argument"),
        (("status", "--stack", ""), "cannot be used"),
        (("verify", "--stack", "../x"), "cannot be used"),
        (("ledger", "show", str(2**63)), "DISTRIBUTOR"),
        (("network", "preview-move", str(2**63)), "DISTRIBUTOR"),
        (("network", "preview-move", "1", "--under", str(2**63)), "--under"),
        (("identity", "create-login", "ann@example.com", str(2**63)), "distributor_id"),
        (("rules", "show", str(2**63)), "VERSION"),
        (("rules", "retire", "0"), "VERSION"),
        (("schema", "check", "--folder", "/nowhere"), "does not exist"),
        (("schema", "check", "--folder", __file__), "is a file"),
        (("schema", "check", "--document", str(EXAMPLE.parent)), "is a directory"),
        (("schema", "export", "--folder", __file__), "is a file"),
        (("schema", "export", "--document", str(EXAMPLE.parent)), "is a directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_one_line_that_names_the_help(
    tributary: CommandLine, words: tuple[str, ...], expected: str
) -> None:
    ended = tributary(*words)

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert expected in ended.err
    if "requires an argument" not in expected:
        assert re.search(r"See `tributary [a-z -]+ --help`\.$", ended.err.strip())


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("TRIBUTARY_BATCH_EVENTS_MAX", "many", "TRIBUTARY_BATCH_EVENTS_MAX"),
        ("TRIBUTARY_LOG_LEVEL", "loud", "TRIBUTARY_LOG_LEVEL"),
        ("RABBITMQ_URL", "http://127.0.0.1", "amqp://"),
        ("MONGODB_URL", "127.0.0.1:27017", "mongodb://"),
        ("REDIS_URL", "localhost", "redis://"),
    ],
)
def test_an_invalid_setting_is_named(
    tributary: CommandLine, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    for name, address in {**NOWHERE, variable: value}.items():
        monkeypatch.setenv(name, address)

    ended = tributary("verify")

    assert (ended.code, ended.out, len(ended.err.splitlines())) == (3, "", 1)
    assert expected in ended.err


def test_similar_names_of_stacks_are_suggested(tributary: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "trial").mkdir()
    record.write(tmp_path / "trial", {})

    for words in (("verify",), ("ledger", "show", "1"), ("status",), ("down",)):
        for name in ("trail", "Trial", "trial_"):
            ended = tributary(*words, "--stack", name)
            assert "Did you mean trial?" in ended.err, words


def test_the_status_names_its_stack(tributary: CommandLine) -> None:
    assert "stack trial" in tributary("status", "--stack", "trial").out
    assert "stack default" in tributary("status").out


@pytest.mark.parametrize("words", ["topology", "rules schema", "--version", "--help"])
@pytest.mark.parametrize(
    ("stream", "printed"),
    [
        (">/dev/full", "The output cannot be written: No space left on device.\n3\n"),
        (">&-", "0\n"),
        ("2>&- >/dev/null", "0\n"),
        ("<&- >/dev/null", "0\n"),
    ],
)
def test_a_full_or_closed_stream(words: str, stream: str, printed: str) -> None:
    shell = f"({sys.executable} -m infra.cli.app {words}) {stream}; echo $?"
    ended = subprocess.run(
        ["bash", "-c", f"exec 2>&1; {shell}"], capture_output=True, text=True, check=True, timeout=60
    )

    assert ended.stdout == printed


@pytest.mark.parametrize("words", ["dead discard --all", "down --remove-data", "identity rotate-keys --at-once"])
def test_a_closed_input_is_not_consent(words: str) -> None:
    ended = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m infra.cli.app {words} <&-"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.endswith("; add --yes to confirm.\n")


def test_characters_that_the_output_cannot_encode_are_escaped() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "infra.cli.app", "rules", "explain", "--lang", "zh", str(EXAMPLE)],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (0, "")


def test_an_invalid_head_of_the_audit_log_is_refused_before_a_server_is_used(tributary: CommandLine) -> None:
    for head in ("abc", "1:", "²:" + "a" * 64, "9" * 5_000 + ":" + "a" * 64, "1:" + "z" * 64):
        ended = tributary("audit", "verify", "--expect", head)
        assert (ended.code, ended.out) == (2, "")
        assert ended.err.endswith("NUMBER:HASH.\n")


@pytest.mark.parametrize("words", ["topology", "topology --json", "rules schema"])
def test_a_broken_pipe_ends_a_command_silently(words: str) -> None:
    piped = f"set -o pipefail; {sys.executable} -m infra.cli.app {words} | true; echo ${{PIPESTATUS[0]}}"
    shell = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=True, timeout=60)

    assert (shell.stdout, shell.stderr) == ("141\n", "")


@pytest.mark.parametrize(
    "waiting", ["time.sleep(30)", "asyncio.run(asyncio.sleep(30))", "uvloop.run(asyncio.sleep(30))"]
)
def test_ctrl_c_ends_a_command_silently(waiting: str) -> None:
    program = (
        "import asyncio, time, typer, uvloop\nfrom infra.cli import ending\napp = typer.Typer()\n"
        f"@app.command()\ndef wait() -> None:\n    print('here', flush=True)\n    {waiting}\nending.run(app)"
    )
    # The tests may run as a shell's background job, which ignores Ctrl-C.
    with_ctrl_c = ("env", "--default-signal=INT")
    process = subprocess.Popen(
        [*with_ctrl_c, sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "")


def test_the_document_names_every_exit_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")

    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert codes == {0, EXIT_BREACH, EXIT_USAGE, EXIT_ENVIRONMENT, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE}
