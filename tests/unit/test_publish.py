"""`tributary publish` checks every message against its contract before it connects to any server."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from infra.cli.app import app
from tests.builders import message, place

CORNER = '{"shop_id": "corner", "currency": "CNY"}'
REGISTER = ("--type", "shop.register.v1")
ADDRESSES = ("RABBITMQ_URL", "MONGODB_URL", "REDIS_URL")


@pytest.mark.parametrize(
    ("words", "text", "code", "sentence"),
    [
        (REGISTER, '{"shop_id": "corner"}', 1, "line 1: currency: Field required"),
        (REGISTER, f'{CORNER}\n\n{{"shop_id": "x", "currency": "CNY", "mail": 1}}', 1, "line 3: mail: Extra inputs"),
        (REGISTER, f"{CORNER}\n{{oops", 1, "line 2: this is not JSON"),
        (REGISTER, "[" * 100_000, 1, "line 1: it is nested too deeply"),
        (REGISTER, b"\xff\xfe", 2, "byte 1 is not UTF-8"),
        (REGISTER, " \n", 2, "There is no message"),
        (REGISTER, "3", 1, "line 1: data: Input should be an object"),
        ((), CORNER, 1, "give --type"),
        (("--type", "order.paid.v1"), CORNER, 2, "is an event, which workers publish"),
        (("--type", "shop.registr.v1"), CORNER, 2, "there is no message 'shop.registr.v1'"),
        (("nowhere.json",), "", 2, "nowhere.json: No such file"),
        (REGISTER, message(place()).to_bytes(), 1, "type: it is 'order.place.v2', and --type is 'shop.register.v1'"),
    ],
)
def test_a_broken_contract_is_reported_before_anything_is_sent(
    words: tuple[str, ...], text: str | bytes, code: int, sentence: str
) -> None:
    ended = CliRunner().invoke(app, ["publish", *words], input=text, env=dict.fromkeys(ADDRESSES, "amqp://127.0.0.1:1"))

    assert (ended.exit_code, ended.stdout) == (code, "")
    assert sentence in ended.stderr
