"""The rail `iso20022` keeps the promises of every rail at our bank of the tests."""

from __future__ import annotations

from tests.connected.rails_behaviour import RailBehaviour, world

__all__ = ["world"]


class TestIso20022(RailBehaviour):
    rail = "iso20022"
    refused_with = "account_closed"
    reuses_key_without_funds = False
