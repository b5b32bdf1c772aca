"""The receiver in docs/webhooks.md verifies what we sign, and nothing else."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.receivers.shop_webhooks import new_secret
from infra.receivers.signing import secrets_of, signed_headers
from tests.architecture.sources import ROOT

BODY = json.dumps({"type": "order.paid.v1", "data": {"order_id": "1001"}}).encode()
OLD, NEW = new_secret(), new_secret()


@pytest.fixture
def receiver() -> dict[str, Any]:
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/webhooks.md").read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  (our own document)
    names["SECRETS"][:] = [OLD]
    return names


def headers(*secrets: str, at: datetime | None = None) -> dict[str, str]:
    return signed_headers("delivery-1", at or datetime.now(UTC), BODY, secrets_of(" ".join(secrets)))


@pytest.mark.parametrize("secrets", [(OLD,), (NEW, OLD)])
def test_an_event_is_handled_once(receiver: dict[str, Any], secrets: tuple[str, ...], capsys: Any) -> None:
    sent = headers(*secrets)

    assert [receiver["receive"](sent, BODY), receiver["receive"](sent, BODY)] == [204, 204]
    assert capsys.readouterr().out == "order.paid.v1 1001\n"


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (headers(NEW), BODY),
        (headers(OLD), BODY + b" "),
        (headers(OLD, at=datetime.now(UTC) - timedelta(minutes=6)), BODY),
        ({**headers(OLD), "webhook-id": "delivery-2"}, BODY),
    ],
)
def test_what_we_did_not_sign_is_refused(receiver: dict[str, Any], sent: dict[str, str], body: bytes) -> None:
    assert receiver["receive"](sent, body) == 401
    assert receiver["handled"] == set()
