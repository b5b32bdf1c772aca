"""What the stack asks of each kind of server: where it is, how to start it, and whether it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol


@dataclass(frozen=True)
class Launch:
    """One process to start: its role within the server, the command, and the port on which it will listen."""

    role: str
    argv: Sequence[str]
    port: int
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Health:
    """What a server made of a question that a client would ask."""

    complaint: str | None = None
    """Why it does not serve, in words that follow its name; None where it does."""
    restart_helps: bool = True
    """Whether stopping and starting it may mend that."""


SERVES = Health()


class Server(Protocol):
    """A kind of server. `purposes` names its ports, the one that clients use first."""

    name: ClassVar[str]
    title: ClassVar[str]
    purposes: ClassVar[Sequence[str]]

    def executable(self) -> Path | None:
        """The program to run, or None where it is not installed. Raises StackError where it cannot be made to run."""
        ...

    def launches(self, executable: Path, folder: Path, ports: Mapping[str, int]) -> Sequence[Launch]:
        """Write the configuration into `folder` and name the processes to start, in order; the last is the server."""
        ...

    def answer(self, folder: Path, ports: Mapping[str, int]) -> str | None:
        """The version of a server that serves clients by now, or None as long as it does not. Never raises for that."""
        ...

    def ping(self, folder: Path, ports: Mapping[str, int]) -> Health:
        """Ask a server whose process is there to do, within seconds, what clients need. Changes nothing of theirs."""
        ...

    def urls(self, folder: Path, ports: Mapping[str, int]) -> Mapping[str, str]:
        """The addresses, by the setting that wants them."""
        ...
