"""Which servers a command uses, and how it fails: one sentence on standard error and a stable exit code.

Exit codes: 0 done, 1 a check failed, 2 wrong usage, 3 the environment does not allow it; see docs/operations.md.
The only third-party package imported here is Typer, because every command loads this module, even one that only prints.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from infra import local
from infra.local import record
from infra.ports.messaging import BrokerUnavailable
from infra.ports.store import StoreUnavailable
from infra.processes.start import EXIT_START_ERROR, StartError
from infra.terminal.near import did_you_mean
from infra.terminal.printing import print_line, printable

if TYPE_CHECKING:
    from infra.settings import Settings

_FIRST_YEAR, _LAST_YEAR = 1900, 9998
EXIT_BREACH = 1
EXIT_USAGE = 2
EXIT_ENVIRONMENT = EXIT_START_ERROR
DISTRIBUTOR_MAX = 2**63 - 1

_URLS = {"rabbitmq_url": "RABBITMQ_URL", "mongodb_url": "MONGODB_URL", "redis_url": "REDIS_URL"}

_MANAGEMENT = "RABBITMQ_MANAGEMENT_URL"
"""Only some commands need it, so that a stack's own is used with the stack's own RABBITMQ_URL alone."""

_SCHEMES = {
    "RABBITMQ_URL": ("amqp://", "amqps://"),
    "MONGODB_URL": ("mongodb://", "mongodb+srv://"),
    "REDIS_URL": ("redis://", "rediss://", "unix://"),
    _MANAGEMENT: ("http://", "https://"),
}


def exported_addresses() -> list[str]:
    """The variables that contain the address of a server; an empty variable does not count."""
    return [variable for variable in _URLS.values() if os.environ.get(variable)]


def leave_exported_addresses(reason: str) -> None:
    """Remove the exported addresses from this process and its children, and print in one line why they are not used."""
    exported = exported_addresses()
    for variable in _URLS.values():
        os.environ.pop(variable, None)
    if exported:
        print_line(f"Not used, though exported: {', '.join(exported)}. {reason}", err=True)


def is_on_command_line(context: typer.Context, parameter: str) -> bool:
    """Whether the option was typed, and does not come from a default or the environment."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def usable_stack(stack: str) -> str:
    """The name as given, if it is a valid name of a stack."""
    try:
        record.folder_of(stack, local.default_home())
    except local.StackError as error:
        raise typer.BadParameter(f"{error}{did_you_mean(stack, known_stacks())}") from error
    return stack


def _chosen_stack(context: typer.Context, parameter: typer.CallbackParam, stack: str) -> str:
    """A stack named on the command line takes precedence over exported addresses."""
    usable_stack(stack)
    if is_on_command_line(context, parameter.name or ""):
        leave_exported_addresses(f"The command line names the stack {stack!r}.")
    return stack


Stack = Annotated[
    str,
    typer.Option(
        "--stack",
        envvar="TRIBUTARY_STACK",
        metavar="NAME",
        callback=_chosen_stack,
        help="The local stack to use. Without this option RABBITMQ_URL, MONGODB_URL and REDIS_URL come first.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def settings_for(stack: str) -> Settings:
    """The settings with the servers of `stack`, for each address that the environment does not contain.

    A stopped stack keeps its addresses, so that no command connects to another stack's servers by mistake.
    Raises StackError if there are no addresses, or if a setting has an invalid value.
    """
    from pydantic import ValidationError

    from infra.settings import Settings

    missing = {name: variable for name, variable in _URLS.items() if not os.environ.get(variable)}
    if "rabbitmq_url" in missing and not os.environ.get(_MANAGEMENT):
        missing["rabbitmq_management_url"] = _MANAGEMENT
    endpoints = local.recorded_endpoints(stack, home=local.default_home()) if missing else None
    if missing and endpoints is None:
        raise local.StackError(
            f"There is no stack {stack!r} here; start it with `tributary up`, or set {', '.join(missing.values())}."
            + did_you_mean(stack, known_stacks())
        )
    for variable, schemes in _SCHEMES.items():
        if (url := os.environ.get(variable)) and not url.startswith(schemes):
            raise local.StackError(f"{variable} cannot be understood; it must begin with {' or '.join(schemes)}.")
    try:
        return Settings(**{name: getattr(endpoints, name) for name in missing})
    except ValidationError as error:
        wrong = (f"{_variable(problem['loc'])}: {problem['msg']}" for problem in error.errors(include_url=False))
        raise local.StackError(f"The environment contains invalid settings: {'; '.join(wrong)}.") from error


def known_stacks() -> list[str]:
    """The stacks that have a record under the default home, running or not."""
    return sorted(path.parent.name for path in local.default_home().glob("*/stack.json"))


def _variable(place: tuple[int | str, ...]) -> str:
    name = ".".join(map(str, place))
    return name if name in _URLS.values() else f"TRIBUTARY_{name.removeprefix('TRIBUTARY_').upper()}"


def environment_for(settings: Settings) -> dict[str, str]:
    """The environment that gives a child process the same servers."""
    return {**os.environ, **{variable: getattr(settings, name) for name, variable in _URLS.items()}}


@contextmanager
def one_sentence_on_failure() -> Iterator[None]:
    """Report an error of the environment with one sentence and exit code 3."""
    try:
        yield
    except (local.StackError, StartError) as error:
        _end(str(error))
    except StoreUnavailable as error:
        _end(f"MongoDB does not answer: {error}. Start the servers (`tributary up`), or set MONGODB_URL.")
    except BrokerUnavailable as error:
        _end(f"RabbitMQ does not answer: {error}. Start the servers (`tributary up`), or set RABBITMQ_URL.")


def day_in_range(day: datetime | None) -> datetime | None:
    """A day given as an option, within limits, so that adding days to it never overflows the calendar."""
    if day is not None and not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise typer.BadParameter(f"give a day of the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return day


def agree(action: str, *, yes: bool) -> None:
    """Continue with an irreversible action only if the person at the terminal, or --yes, confirms it."""
    if yes:
        return
    if not sys.stdin.isatty():
        refuse(f"This would {action}; add --yes to confirm.")
    if not typer.confirm(printable(f"This will {action}. Continue?"), err=True):
        refuse("Nothing was changed.")


def write_file(path: Path, text: str) -> None:
    """Write the text to the file, or end the command with a sentence."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        refuse(f"{path}: {error.strerror or error}.")


def refuse(sentence: str, code: int = EXIT_USAGE) -> NoReturn:
    """End the command with one sentence."""
    print_line(sentence, err=True)
    raise typer.Exit(code)


def _end(sentence: str) -> NoReturn:
    refuse(sentence, EXIT_ENVIRONMENT)
