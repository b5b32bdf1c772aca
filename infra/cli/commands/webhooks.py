"""`tributary webhooks`: where events of shops are sent, and what became of them."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from infra.cli.commands.options import By, Last, Wait
from infra.terminal.environment import AsJson, Stack

WebhookName = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook, by its id.")]


def list_webhooks(
    shop: Annotated[str | None, typer.Option("--shop", metavar="SHOP", help="Only of this shop.")] = None,
    last: Last = 200,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """List the webhooks of shops, by shop, and why one is disabled."""
    from infra.cli.actions.webhooks import list_webhooks as run

    run(shop, last, stack, as_json=as_json)


def attempts(
    webhook: WebhookName,
    state: Annotated[
        Literal["waiting", "sending", "delivered", "failed"] | None,
        typer.Option("--state", help="Only deliveries in this state.", show_default="any"),
    ] = None,
    last: Last = 50,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """List what was sent to a webhook, newest first, each with its last answer; all attempts with --json."""
    from infra.cli.actions.webhooks import attempts as run

    run(webhook, state, last, stack, as_json=as_json)


def redeliver(
    webhook: WebhookName,
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="The delivery, by its id.")],
    by: By = None,
    wait: Wait = 15,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Send an event again that failed or was delivered, under the same id and with all its retries."""
    from infra.cli.actions.webhooks import redeliver as run

    run(webhook, delivery, by, wait, stack, as_json=as_json)


def enable(
    webhook: WebhookName, by: By = None, wait: Wait = 15, stack: Stack = "default", as_json: AsJson = False
) -> None:
    """Enable a webhook that was disabled. What waits for it is sent."""
    from infra.cli.actions.webhooks import enable as run

    run(webhook, by, wait, stack, as_json=as_json)


def disable(
    webhook: WebhookName, by: By = None, wait: Wait = 15, stack: Stack = "default", as_json: AsJson = False
) -> None:
    """Disable a webhook, as an answer 410 does. What waits for it is kept until it is enabled or removed."""
    from infra.cli.actions.webhooks import disable as run

    run(webhook, by, wait, stack, as_json=as_json)


def remove(
    webhook: WebhookName, by: By = None, wait: Wait = 15, stack: Stack = "default", as_json: AsJson = False
) -> None:
    """Remove a webhook. What waits for it has failed, with the reason `removed`."""
    from infra.cli.actions.webhooks import remove as run

    run(webhook, by, wait, stack, as_json=as_json)
