"""How every command ends: with an exit code, and on failure with one sentence on standard error, not a traceback.

The traceback of an unexpected failure is written to a file that the sentence names; TRIBUTARY_DEBUG=1 prints it.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from contextlib import suppress
from typing import NoReturn

import typer
from typer.main import get_command

from infra.collector import start_quickly
from infra.terminal.environment import EXIT_ENVIRONMENT, EXIT_USAGE
from infra.terminal.printing import print_line, print_text

EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141
"""The exit codes of a shell for SIGINT and SIGPIPE."""

_TEXT_MAX = 300
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def run(app: typer.Typer) -> NoReturn:
    """Run the command of the command line, and end the process."""
    start_quickly()
    _require_streams()
    try:
        code = _code_of(app)
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    except OSError:
        # Standard error cannot be written.
        code = EXIT_ENVIRONMENT
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or (EXIT_BROKEN_PIPE if isinstance(error, BrokenPipeError) else _system(error))
        # The interpreter flushes again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _require_streams() -> None:
    """Replace streams that the shell has closed (`>&-`); print characters that the encoding lacks as escapes."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w"))  # noqa: SIM115  (open to the end)
    if getattr(sys.stdout, "errors", None) == "strict" and (reconfigure := getattr(sys.stdout, "reconfigure", None)):
        reconfigure(errors="backslashreplace")


def _code_of(app: typer.Typer) -> int:
    try:
        code = get_command(app)(prog_name="tributary", standalone_mode=False)
    except typer.TyperException as error:
        return _usage(error)
    except typer.Abort:
        print_text("\nNothing was changed.", err=True)
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_BROKEN_PIPE
    except SystemExit as error:
        # Typer raises this for a broken pipe, with the code of a failed check.
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        return EXIT_BROKEN_PIPE
    except UnicodeEncodeError as error:
        return _unexpected(error) if os.environ.get("TRIBUTARY_DEBUG") else _not_utf8()
    except Exception as error:
        return _unexpected(error)
    return code if isinstance(code, int) else 0


def _usage(error: typer.TyperException) -> int:
    """Print what is wrong with the command line, and the help to read. A group without a command prints its help."""
    context = getattr(error, "ctx", None)
    message = error.format_message()
    if context is None or message == context.get_help():
        print_text(message, err=True)
    else:
        if similar := getattr(error, "possibilities", None):
            message = f"{error.message}. Did you mean {' or '.join(similar)}?"
        message = message.replace(": Value error, ", ": ")
        end = "" if message.endswith((".", "?")) else "."
        print_line(f"{message}{end} See `{context.command_path} --help`.", err=True)
    return error.exit_code


def _unexpected(error: Exception) -> int:
    if os.environ.get("TRIBUTARY_DEBUG"):
        print_text("".join(traceback.format_exception(error)), end="", err=True)
        return EXIT_ENVIRONMENT
    if isinstance(error, OSError) and (error.filename or error.errno in _FULL):
        return _system(error)
    text = " ".join(str(error).split())[:_TEXT_MAX]
    where = ""
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(prefix="tributary-error-", suffix=".log")
        with open(descriptor, "w") as log:
            traceback.print_exception(error, file=log)
        where = f" Please report it with {name}."
    print_line(f"Unexpected failure: {type(error).__name__}{f': {text}' if text else ''}.{where}", err=True)
    return EXIT_ENVIRONMENT


def _system(error: OSError) -> int:
    """A file that cannot be read or written, or a full disk: the sentence names it, and no traceback is needed."""
    subject = error.filename if error.filename else "The output cannot be written"
    text = os.fsdecode(subject) if isinstance(subject, str | bytes) else subject
    print_line(f"{text}: {error.strerror}.", err=True)
    return EXIT_ENVIRONMENT


def _not_utf8() -> int:
    """Arguments that are not valid UTF-8 arrive as halves of surrogate pairs."""
    print_line("The input is not valid UTF-8; type it again.", err=True)
    return EXIT_USAGE
