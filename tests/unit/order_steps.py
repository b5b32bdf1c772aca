"""The fields of an order at each step of its life."""

from __future__ import annotations

from typing import Any

from tests.builders import HALF_AN_HOUR, NOW

RESERVED: dict[str, Any] = {"version": 2, "reserved": True, "due_at": NOW + HALF_AN_HOUR}
PAID: dict[str, Any] = {"version": 3, "reserved": True, "status": "paid", "paid_at": NOW}
SHIPPED: dict[str, Any] = {**PAID, "version": 4, "status": "shipped"}
COMPLETED: dict[str, Any] = {**SHIPPED, "version": 5, "status": "completed", "completed_at": NOW}
REJECTED: dict[str, Any] = {"version": 2, "status": "rejected", "reason": "stock_short"}
CANCELLED: dict[str, Any] = {"version": 2, "status": "cancelled", "reason": "cancelled_by_shop"}
CANCELLED_WHEN_PAID: dict[str, Any] = {**PAID, **CANCELLED, "version": 4}
