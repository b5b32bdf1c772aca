"""`tributary publish`, `trace` and `explain`: send commands, and see what happened to an order and why."""

from __future__ import annotations

from typing import Annotated

import typer

from contracts.explanation.rule_phrases import Language
from infra.terminal.environment import AsJson, Stack
from infra.terminal.numbers import seconds


def publish(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="A file with one or more JSON messages; - is standard input.")
    ] = "-",
    message_type: Annotated[
        str | None,
        typer.Option(
            "--type", metavar="TYPE", help="The type of bare bodies, such as order.place.v1; also their routing key."
        ),
    ] = None,
    wait: Annotated[
        float,
        typer.Option(
            "--wait",
            metavar="SECONDS",
            parser=seconds,
            help="How long to wait for the answer to each message, in turn.",
        ),
    ] = 0,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Publish commands to the workers: bare JSON bodies of one --type, or CloudEvents, which contain their type.

    All are checked first, and none is sent if one breaks its contract. A bare body gets an envelope and an id.
    """
    from infra.cli.actions.publish import publish as run

    run(file, message_type, wait, stack, as_json=as_json)


def trace(
    name: Annotated[
        str,
        typer.Argument(metavar="ORDER", help="shop_id/order_id, a message id, a dead letter or a correlation id."),
    ],
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show everything that happened to an order, down to each commission entry.

    ORDER may also be a message id, a dead letter or a correlation id. Exits with 1 if nothing is known of it.
    """
    from infra.cli.actions.trace import trace as run

    run(name, stack, as_json=as_json)


def explain(
    order: Annotated[str, typer.Argument(metavar="ORDER", help="shop_id/order_id.")],
    lang: Annotated[Language, typer.Option("--lang", help="The language of the sentences.")] = "en",
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Explain for each line of an order who gets what, who gets nothing, the reasons, and later changes.

    Exits with 1 if there are no commissions to explain; the sentence states why.
    """
    from infra.cli.actions.explain import explain as run

    run(order, lang, stack, as_json=as_json)
