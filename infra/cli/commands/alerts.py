"""`tributary alerts`: what needs a person, who receives it, and what became of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from infra.cli.commands.options import By, Last, Wait
from infra.terminal.environment import AsJson, Stack

RouteName = Annotated[str, typer.Argument(metavar="ROUTE", help="The route, by its id.")]


def list_alerts(
    state: Annotated[
        Literal["open", "resolved", "any"], typer.Option("--state", help="Alerts in this state.")
    ] = "open",
    kind: Annotated[str | None, typer.Option("--kind", metavar="KIND", help="Only alerts of this kind.")] = None,
    last: Last = 200,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """List alerts, by key, with who takes care of them."""
    from infra.cli.actions.alerts import list_alerts as run

    run(state, kind, last, stack, as_json=as_json)


def routes(stack: Stack = "default", as_json: AsJson = False) -> None:
    """List the routes by which alerts are sent, and why one fails."""
    from infra.cli.actions.alerts import routes as run

    run(stack, as_json=as_json)


def silences(stack: Stack = "default", as_json: AsJson = False) -> None:
    """List the silences that hold."""
    from infra.cli.actions.alerts import silences as run

    run(stack, as_json=as_json)


def notifications(
    alert: Annotated[str | None, typer.Option("--alert", metavar="KEY", help="Only of this alert.")] = None,
    route: Annotated[str | None, typer.Option("--route", metavar="ROUTE", help="Only by this route.")] = None,
    last: Last = 50,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """List what became of alerts, newest first: for each change and route whether it was sent, or why not."""
    from infra.cli.actions.alerts import notifications as run

    run(alert, route, last, stack, as_json=as_json)


def define_route(
    route: RouteName,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The route in JSON or YAML, with its address and secret."),
    ],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Define a route, or change all of it. Needs TRIBUTARY_DELIVERY_SECRET, which seals the address."""
    from infra.cli.actions.alerts import define_route as run

    run(route, file, by, wait, stack, as_json=as_json)


def remove_route(
    route: RouteName, by: By = None, wait: Wait = 15, stack: Stack = "default", as_json: AsJson = False
) -> None:
    """Remove a route. What waits for it is suppressed."""
    from infra.cli.actions.alerts import remove_route as run

    run(route, by, wait, stack, as_json=as_json)


def send_test(
    route: RouteName, by: By = None, wait: Wait = 15, stack: Stack = "default", as_json: AsJson = False
) -> None:
    """Send a notification by a route at once; `tributary alerts routes` shows whether it fails."""
    from infra.cli.actions.alerts import send_test as run

    run(route, by, wait, stack, as_json=as_json)


def acknowledge(
    alert: Annotated[str, typer.Argument(metavar="KEY", help="The alert, such as stock/1082185.")],
    note: Annotated[str | None, typer.Option("--note", help="What is done about it.")] = None,
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Take care of an alert: it is neither sent again nor escalated until it is raised again."""
    from infra.cli.actions.alerts import acknowledge as run

    run(alert, note, by, wait, stack, as_json=as_json)


def silence(
    name: Annotated[str, typer.Argument(metavar="SILENCE", help="An id of its own.")],
    until: Annotated[
        str,
        typer.Option("--until", metavar="TIME", help="Its end, such as 2026-12-01T08:00:00+08:00; 30 days at most."),
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    kind: Annotated[list[str] | None, typer.Option("--kind", metavar="KIND", help="Alerts of this kind.")] = None,
    shop: Annotated[list[str] | None, typer.Option("--shop", metavar="SHOP", help="Alerts of this shop.")] = None,
    market: Annotated[list[str] | None, typer.Option("--market", metavar="NAME", help="Alerts of this market.")] = None,
    alert: Annotated[str | None, typer.Option("--alert", metavar="KEY", help="This alert alone.")] = None,
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Send no alerts that match all of what is named, until a time. What is open then is sent."""
    from infra.cli.actions.alerts import silence as run

    run(name, until, reason, kind, shop, market, alert, by, wait, stack, as_json=as_json)


def end_silence(
    name: Annotated[str, typer.Argument(metavar="SILENCE", help="The silence, by its id.")],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """End a silence before its time."""
    from infra.cli.actions.alerts import end_silence as run

    run(name, by, wait, stack, as_json=as_json)
