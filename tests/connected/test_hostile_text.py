"""Every command that prints stored text, over text that a hostile sender stored: no raw control character comes out."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest

from contracts.operations.view import DEAD_LETTERS
from contracts.wire.envelope import COMMANDS_EXCHANGE
from infra.ports.store import JOURNALS, Document
from tests.builders import NOW
from tests.connected.running import Site, command, until
from tests.connected.test_operators import a_stored_letter, running, send

ESC = "\x1b]0;pwned\x07\x1b[2J\x9b1m\u202egnp.exe\u2066\u200b\x7f\nforged"
ORDER = f"order/shop-1/1{ESC}"


def stored() -> dict[str, list[Document]]:
    """Documents as workers store them, with an attack in every text."""
    letter = {**a_stored_letter(1, json.dumps({ESC: ESC})), "_id": "letter-0001"}
    letter |= dict.fromkeys(("queue", "message_id", "type", "detail", "concerns", "traceback", "routing_key"), ESC)
    settled = {**letter, "_id": "letter-0002", "state": "discarded", "settled_by": ESC, "settled_at": NOW, "note": ESC}
    handled = {"id": f"x/{ESC}", "type": ESC, "about": ORDER, "correlation": ESC, "outcome": ESC}
    body = json.dumps({"id": ESC, "type": ESC, "data": {"reason": ESC, "detail": ESC}}).encode()
    record = {
        "_id": "record-1",
        "worker": "order_intake",
        "queue": "order_intake.order.place",
        "at": NOW,
        "handled": [handled],
        "emitted": [{"cause": handled["id"], "id": ESC, "type": ESC, "body": body}],
        "about": [ORDER, ESC],
    }
    change = {
        "_id": 1,
        "at": NOW,
        "who": {"kind": ESC, "subject": ESC, "client": ESC},
        "action": ESC,
        "target": ESC,
        "correlation": ESC,
        "before": None,
        "after": {"message": ESC, "outcome": ESC},
        "previous": "0" * 64,
        "hash": ESC,
    }
    return {DEAD_LETTERS: [letter, settled], JOURNALS + "order_intake": [record], "api.audit": [change]}


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("dead", "list"),
    ("dead", "list", "--json"),
    ("dead", "list", "--each", "--state", "any"),
    ("dead", "list", "--each", "--state", "any", "--json"),
    ("dead", "show", "letter-0001"),
    ("dead", "show", "letter-0001", "--json"),
    ("dead", "replay", "letter-0002", "--dry-run"),
    ("dead", "replay", "letter-0002", "--dry-run", "--json"),
    ("trace", f"shop-1/1{ESC}"),
    ("trace", f"shop-1/1{ESC}", "--json"),
    ("trace", f"{ESC}"),
    ("explain", f"shop-1/{ESC}"),
    ("explain", f"shop-1/{ESC}", "--json"),
    ("explain", f"shop-1/{ESC}", "--lang", "zh"),
    ("verify",),
    ("verify", "--json"),
    ("audit", "list"),
    ("audit", "list", "--json"),
    ("audit", "verify"),
    ("audit", "verify", "--json"),
    ("rules", "list"),
    ("rules", "show", "7"),
    ("rules", "check", f"{ESC}.yaml"),
    ("ledger", "show", "42"),
    ("doctor",),
    ("dead", "list", "--queue", ESC),
    ("work", ESC),
    (ESC,),
    ("dead", f"--{ESC}"),
)


@pytest.fixture
async def attacked(site: Site) -> Site:
    async def fill(tx: Any) -> None:
        for collection, documents in stored().items():
            await tx.insert(collection, documents)

    await site.store.transact(fill)
    return site


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words).encode("unicode_escape").decode()[:60])
async def test_no_hidden_character_reaches_the_terminal(attacked: Site, words: tuple[str, ...]) -> None:
    ended = await command(*words, environment=attacked.environment())

    printed = ended.out + ended.err
    assert printed.strip()
    assert [c for c in printed if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")] == []
    assert not any(line.startswith("forged") for line in printed.split("\n"))
    assert "Unexpected failure" not in printed


async def test_a_message_type_that_steers_a_terminal_is_shown_as_text(site: Site) -> None:
    body = json.dumps({"specversion": "1.0", "id": "1", "source": "s", "type": ESC, "data": {}}).encode()
    async with running(site, "order_intake", "alerting"):
        await send(site, COMMANDS_EXCHANGE, "order.place.v1", body)

        async def kept() -> bool:
            return bool(await site.documents(DEAD_LETTERS))

        await until(kept, what="the letter is kept")
    shown = await command("dead", "list", "--each", environment=site.environment())
    assert "\x1b" not in shown.out
    assert "\\x1b]0;pwned" in (await command("dead", "list", "--each", environment=site.environment())).out
