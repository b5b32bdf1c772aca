"""The rail `paypal` keeps the promises of every rail, and those of Payouts."""

from __future__ import annotations

from tests.connected.rails_behaviour import RailBehaviour, world

__all__ = ["world"]


class TestPayPal(RailBehaviour):
    rail = "paypal"
    asked_by = "reference"
    refused_with = "invalid_order"
