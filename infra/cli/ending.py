"""How every command ends: with an exit code, and where it fails with one sentence on standard error, never a traceback.

TRIBUTARY_DEBUG=1 shows the traceback of a failure that no command expects; without it, it is in a file that the
sentence names.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from contextlib import suppress
from typing import NoReturn

import typer
from typer.main import get_command

from infra.cli.environment import EXIT_ENVIRONMENT

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""What a shell makes of SIGINT and SIGPIPE."""

_TEXT_MAX = 300


def run(app: typer.Typer) -> NoReturn:
    """Run the command that the command line names, and end the process."""
    try:
        code = _code_of(app)
        sys.stdout.flush()
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    if code == EXIT_BROKEN_PIPE:
        # At its end the interpreter flushes once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _code_of(app: typer.Typer) -> int:
    try:
        code = get_command(app)(prog_name="tributary", standalone_mode=False)
    except typer.TyperException as error:
        return _usage(error)
    except typer.Abort:
        print("\nNothing was changed.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_BROKEN_PIPE
    except SystemExit as error:
        # Typer ends so where a pipe is broken, with the code of a failed check.
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        return EXIT_BROKEN_PIPE
    except Exception as error:
        return _unexpected(error)
    return code if isinstance(code, int) else 0


def _usage(error: typer.TyperException) -> int:
    """What the person has typed wrongly, and where the right words are. A command without any is its help."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is None or message == context.get_help():
        print(message, file=sys.stderr)
    else:
        if near := getattr(error, "possibilities", None):
            message = f"{error.message}. Did you mean {' or '.join(near)}?"
        end = "" if message.endswith((".", "?")) else "."
        print(f"{message}{end} `{context.command_path} --help` shows what there is.", file=sys.stderr)
    return error.exit_code


def _unexpected(error: Exception) -> int:
    if os.environ.get("TRIBUTARY_DEBUG"):
        traceback.print_exception(error)
        return EXIT_ENVIRONMENT
    text = " ".join(str(error).split())[:_TEXT_MAX]
    where = ""
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(prefix="tributary-error-", suffix=".log")
        with open(descriptor, "w") as log:
            traceback.print_exception(error, file=log)
        where = f" Please report it with {name}."
    print(
        f"Tributary did not expect this: {type(error).__name__}{f': {text}' if text else ''}.{where}", file=sys.stderr
    )
    return EXIT_ENVIRONMENT
