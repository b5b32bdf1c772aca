"""The rail `wechat_pay` keeps the promises of every rail, and those of APIv3."""

from __future__ import annotations

from tests.connected.rails_behaviour import RailBehaviour, world

__all__ = ["world"]


class TestWechatPay(RailBehaviour):
    rail = "wechat_pay"
    refused_with = "invalid_order"
