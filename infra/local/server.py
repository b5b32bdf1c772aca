"""The protocol of each kind of server: where its program is, how to start it, and whether it answers."""

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
    """The result of a ping."""

    complaint: str | None = None
    """Why it does not serve, as a phrase that follows its name; None if it does."""
    restart_helps: bool = True
    """Whether a restart may repair that."""


SERVES = Health()


class Server(Protocol):
    """A kind of server. `purposes` names its ports, the one that clients use first."""

    name: ClassVar[str]
    title: ClassVar[str]
    purposes: ClassVar[Sequence[str]]

    def executable(self) -> Path | None:
        """The program to run, or None if it is not installed. Raises StackError if it cannot be made executable."""
        ...

    def launches(self, executable: Path, folder: Path, ports: Mapping[str, int]) -> Sequence[Launch]:
        """Write the configuration to `folder` and return the processes to start, in order; the last is the server."""
        ...

    def answer(self, folder: Path, ports: Mapping[str, int]) -> str | None:
        """The version, once the server serves clients; until then None, without an error."""
        ...

    def ping(self, folder: Path, ports: Mapping[str, int]) -> Health:
        """Check within seconds that a running server does what clients need. Changes no data of clients."""
        ...

    def urls(self, folder: Path, ports: Mapping[str, int]) -> Mapping[str, str]:
        """The addresses, by the setting that wants them."""
        ...
