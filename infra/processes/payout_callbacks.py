"""Callbacks of the rails of payouts, for the API: the one way to their readers, which belong to the adapters."""

from __future__ import annotations

from infra.adapters.outside.rails.configured import RailMisconfigured
from infra.adapters.outside.rails.payouts import Callbacks
from infra.processes.start import StartError
from infra.settings import Settings


def payout_callbacks(settings: Settings) -> Callbacks:
    """`Callbacks.read` answers the reports of a callback, or a CallbackRefused. Raises StartError if a setting of a
    rail is missing or a key cannot be read.
    """
    try:
        return Callbacks(settings)
    except RailMisconfigured as error:
        raise StartError(str(error)) from error
