"""`tributary work`, `topology` and `api`: run workers and the HTTP API, and declare what they need."""

from __future__ import annotations

from typing import Annotated

import typer

from infra.terminal.environment import AsJson, Stack
from infra.terminal.numbers import whole


def work(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Workers to run, `clock`, or `all`.")
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", "-n", parser=whole(1, 64), help="Processes of each worker.")
    ] = 1,
    together: Annotated[bool, typer.Option("--together", help="Run the named workers in one process.")] = False,
    stack: Stack = "default",
) -> None:
    """Run workers until SIGTERM or Ctrl-C; each finishes its current batch.

    One worker runs in this process. Several run in separate processes, which are restarted when they die.
    """
    from infra.cli.actions.work import work as run

    run(names, processes, stack, together=together)


def topology(
    apply: Annotated[bool, typer.Option("--apply", help="Declare them, and the collections and indexes too.")] = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show every exchange, queue and binding with its reason; --apply declares missing ones."""
    from infra.cli.actions.topology import topology as run

    run(stack, apply=apply, as_json=as_json)


def api(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", parser=whole(0, 65535), help="The port to listen on; 0 takes any free one.")
    ] = 8080,
    workers: Annotated[
        int, typer.Option("--workers", parser=whole(1, 64), help="Server processes that share the port.")
    ] = 1,
    stack: Stack = "default",
) -> None:
    """Serve the HTTP API until SIGTERM or Ctrl-C; current requests are answered first.

    Behind a proxy set TRIBUTARY_PUBLIC_URL to the public address, and FORWARDED_ALLOW_IPS to the proxy's.
    """
    from infra.cli.actions.api import api as run

    run(host, port, workers, stack)
