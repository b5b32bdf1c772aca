"""The destinations outside that performers call, made from the settings: the one place that knows their adapters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from contracts.notifications.v1 import NotificationDue
from contracts.payouts.v1 import PayoutAttemptDue, PayoutCheckDue
from contracts.webhooks.v1 import WebhookDue
from infra.adapters.outside.channels import UnreadableCertificates, channels
from infra.adapters.outside.rails.configured import RailMisconfigured
from infra.adapters.outside.rails.payouts import Callbacks as RailCallbacks
from infra.adapters.outside.rails.payouts import payouts
from infra.adapters.outside.shop_webhook import shop_webhooks
from infra.adapters.vault import Opener
from infra.ports.outside import Outside
from infra.ports.rails import Callbacks
from infra.ports.store import Reader
from infra.ports.time import RealTime
from infra.ports.vault import Opens
from infra.processes.start import StartError
from infra.runtime.worker import Worker, noun_and_verb
from infra.settings import Settings
from infra.vault.master import MasterKeys


def outside_of(settings: Settings, reader: Reader, vault: Opens | None = None) -> Mapping[str, Outside[Any]]:
    """The adapter for each message that asks for a call, by its type without the version. The vault is that of the
    master keys. Raises StartError if the settings name certificates or keys that cannot be read.
    """
    try:
        vault = vault or Opener(reader, MasterKeys(settings.master_key_file), RealTime())
        attempts, checks = payouts(settings, vault)
        return {
            noun_and_verb(NotificationDue): channels(settings),
            noun_and_verb(WebhookDue): shop_webhooks(settings, reader),
            noun_and_verb(PayoutAttemptDue): attempts,
            noun_and_verb(PayoutCheckDue): checks,
        }
    except (UnreadableCertificates, RailMisconfigured) as error:
        raise StartError(str(error)) from error


def callbacks_of(settings: Settings) -> Callbacks:
    """What verifies and reads the callbacks of rails. Raises ValueError if a setting or key of one is missing."""
    try:
        return RailCallbacks(settings)
    except RailMisconfigured as error:
        raise ValueError(str(error)) from error


def check(workers: Iterable[Worker], outside: Mapping[str, Outside[Any]]) -> None:
    """Raise StartError if one of these workers performs calls for which there is no adapter."""
    for worker in workers:
        asking = [handler.noun_and_verb for handler in worker.handlers if handler.performs]
        missing = [name for name in asking if name not in outside]
        if missing:
            raise StartError(
                f"{worker.name} needs an adapter for {', '.join(missing)}; add it to `outside_of` in "
                "infra/processes/outside.py."
            )
